//! A group of records becomes a payload.

use std::fmt;

use super::{EventPlan, Group, Mapping, Member, RecordUse, Source, ValuePlan};
use crate::domain::BusinessDate;
use crate::domain::event::json_string;
use crate::layout::Record;

/// What the file's name says, for mappings that carry it.
#[derive(Clone, Debug, Default)]
pub struct FileNaming {
    /// The file's name, escaped for display.
    pub name: String,
    /// The business date in it, ISO 8601.
    pub business_date: Option<String>,
    /// The sequence number in it, as written.
    pub sequence: Option<String>,
}

/// What stands around a group: the frame of its file.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The header, where the layout has one.
    pub header: Option<&'a Record>,
    /// The trailer, where the layout has one and it was read already.
    pub trailer: Option<&'a Record>,
    /// What the file's name says.
    pub file: &'a FileNaming,
}

/// A group that makes no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardError {
    /// The record: the lead (`None`) or a member by its index.
    pub member: Option<usize>,
    /// The field of that record, where one is at fault.
    pub field: Option<usize>,
    /// What is wrong, without any value.
    pub message: String,
    /// The value that is at fault, to be shown where the field is not masked.
    pub value: Option<String>,
}

impl fmt::Display for ForwardError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)?;
        self.value.as_ref().map_or(Ok(()), |value| write!(out, ": {value:?}"))
    }
}

impl ForwardError {
    /// The same, without the value.
    #[must_use]
    pub fn masked(self) -> Self {
        Self { value: None, ..self }
    }
}

impl Mapping {
    /// The event that a group makes, or `None` where its lead record makes none.
    ///
    /// # Errors
    /// When the lead record has plans with conditions and none of them holds.
    pub fn plan_for(&self, group: &Group) -> Result<Option<&EventPlan>, ForwardError> {
        let Some(lead) = group.lead() else { return Ok(None) };
        let RecordUse::Lead(plans) = self.record_use(lead.type_index()) else { return Ok(None) };
        let mut tried = None;
        for plan in plans.iter().filter_map(|index| self.events.get(*index)) {
            match &plan.when {
                None => return Ok(Some(plan)),
                Some((field, is)) => {
                    let text = lead.get(*field).unwrap_or("");
                    if is.iter().any(|wanted| wanted == text) {
                        return Ok(Some(plan));
                    }
                    tried = Some((*field, text));
                }
            }
        }
        match tried {
            None => Ok(None),
            Some((field, text)) => Err(ForwardError {
                member: None,
                field: Some(field),
                message: "no event is declared for the value".to_owned(),
                value: Some(text.to_owned()),
            }),
        }
    }

    /// Appends the payload of an event as JSON text.
    ///
    /// # Errors
    /// A value that is in no code table.
    pub fn write_data(
        plan: &EventPlan,
        group: &Group,
        around: Surroundings<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ForwardError> {
        let Some(lead) = group.lead() else { return Ok(()) };
        let mut writer = DataWriter { lead, group, around, out };
        if !writer.object(&plan.data, None)? {
            out.extend_from_slice(b"{}");
        }
        Ok(())
    }

    /// The business key of an event.
    ///
    /// # Errors
    /// When the field is absent or empty.
    pub fn key<'a>(plan: &EventPlan, group: &'a Group) -> Result<&'a str, ForwardError> {
        group.lead().and_then(|lead| lead.get(plan.key)).filter(|key| !key.is_empty()).ok_or_else(|| ForwardError {
            member: None,
            field: Some(plan.key),
            message: "the business key is blank".to_owned(),
            value: None,
        })
    }

    /// The business date of an event.
    ///
    /// # Errors
    /// When its source is absent or holds no date.
    pub fn business_date(
        plan: &EventPlan,
        group: &Group,
        around: Surroundings<'_>,
    ) -> Result<BusinessDate, ForwardError> {
        let field = if let Source::Lead(field) = plan.business_date { Some(field) } else { None };
        let error = |message: &str| ForwardError { member: None, field, message: message.to_owned(), value: None };
        let lead = group.lead().ok_or_else(|| error("there is no lead record"))?;
        let text =
            text_of(plan.business_date, lead, None, around).ok_or_else(|| error("the business date is blank"))?;
        BusinessDate::parse(text).ok_or_else(|| error("the business date is no date"))
    }
}

fn text_of<'a>(
    source: Source,
    lead: &'a Record,
    member: Option<&'a Record>,
    around: Surroundings<'a>,
) -> Option<&'a str> {
    match source {
        Source::Lead(field) => lead.get(field),
        Source::Member(field) => member?.get(field),
        Source::Header(field) => around.header?.get(field),
        Source::Trailer(field) => around.trailer?.get(field),
        Source::FileBusinessDate => around.file.business_date.as_deref(),
        Source::FileSequence => around.file.sequence.as_deref(),
        Source::FileName => Some(&around.file.name),
    }
}

/// Writes JSON text straight from records. Every method answers whether anything was written: what is absent, and
/// what is empty because everything in it is absent, leaves no trace.
struct DataWriter<'a> {
    lead: &'a Record,
    group: &'a Group,
    around: Surroundings<'a>,
    out: &'a mut Vec<u8>,
}

impl DataWriter<'_> {
    fn object(&mut self, members: &[Member], member: Option<usize>) -> Result<bool, ForwardError> {
        let start = self.out.len();
        self.out.push(b'{');
        let mut any = false;
        for Member { json_name, plan, .. } in members {
            let before = self.out.len();
            if any {
                self.out.push(b',');
            }
            self.out.extend_from_slice(json_name);
            if self.value(plan, member)? {
                any = true;
            } else {
                self.out.truncate(before);
            }
        }
        if any {
            self.out.push(b'}');
        } else {
            self.out.truncate(start);
        }
        Ok(any)
    }

    fn value(&mut self, plan: &ValuePlan, member: Option<usize>) -> Result<bool, ForwardError> {
        match plan {
            ValuePlan::Field { source, number } => Ok(self.field(*source, *number, member)),
            ValuePlan::Codes { source, codes } => self.code(*source, codes, member),
            ValuePlan::Constant(value) => {
                // Writing a value to a vector has no error to report.
                let _infallible = serde_json::to_writer(&mut *self.out, value);
                Ok(true)
            }
            ValuePlan::Object(members) => self.object(members, member),
            ValuePlan::Array(elements) => {
                self.array(elements.len(), |writer, index| writer.value(&elements[index], member))
            }
            ValuePlan::Each { record, data } => {
                let group = self.group;
                self.array(group.members().len(), |writer, index| {
                    if group.members()[index].type_index() == *record {
                        writer.object(data, Some(index))
                    } else {
                        Ok(false)
                    }
                })
            }
        }
    }

    fn array(
        &mut self,
        length: usize,
        mut element: impl FnMut(&mut Self, usize) -> Result<bool, ForwardError>,
    ) -> Result<bool, ForwardError> {
        let start = self.out.len();
        self.out.push(b'[');
        let mut any = false;
        for index in 0..length {
            let before = self.out.len();
            if any {
                self.out.push(b',');
            }
            if element(self, index)? {
                any = true;
            } else {
                self.out.truncate(before);
            }
        }
        if any {
            self.out.push(b']');
        } else {
            self.out.truncate(start);
        }
        Ok(any)
    }

    fn field(&mut self, source: Source, number: bool, member: Option<usize>) -> bool {
        let record = member.map(|index| &self.group.members()[index]);
        let Some(text) = text_of(source, self.lead, record, self.around) else { return false };
        if number {
            self.out.extend_from_slice(text.as_bytes());
        } else {
            json_string(self.out, text);
        }
        true
    }

    fn code(
        &mut self,
        source: Source,
        codes: &[(String, String)],
        member: Option<usize>,
    ) -> Result<bool, ForwardError> {
        let record = member.map(|index| &self.group.members()[index]);
        let Some(text) = text_of(source, self.lead, record, self.around) else { return Ok(false) };
        match codes.iter().find(|(in_file, _)| in_file == text) {
            Some((_, in_event)) => {
                json_string(self.out, in_event);
                Ok(true)
            }
            None => Err(ForwardError {
                member: if matches!(source, Source::Member(_)) { member } else { None },
                field: match source {
                    Source::Lead(field) | Source::Member(field) => Some(field),
                    _ => None,
                },
                message: "the value is not in the code table".to_owned(),
                value: Some(text.to_owned()),
            }),
        }
    }
}
