//! From a stated mapping to one that fits its layout.

use super::spec::{EventSpec, FieldRef, ValueSpec};
use super::{EventPlan, Mapping, Member, RecordUse, Source, ValuePlan};
use crate::domain::event::json_string;
use crate::layout::{Layout, Role, ValueType};

impl Mapping {
    /// Checks a mapping against its layout and turns names into indices.
    ///
    /// # Errors
    /// Everything that does not fit, one message each.
    pub fn compile(events: &[EventSpec], ignore: &[String], layout: &Layout) -> Result<Self, Vec<String>> {
        let mut compiler = Compiler { layout, problems: Vec::new(), members: Vec::new() };
        let plans: Vec<EventPlan> = events.iter().filter_map(|event| compiler.event(event)).collect();
        let uses = compiler.uses(&plans, ignore);
        if compiler.problems.is_empty() { Ok(Self { events: plans, uses }) } else { Err(compiler.problems) }
    }
}

struct Compiler<'a> {
    layout: &'a Layout,
    problems: Vec<String>,
    /// Member record type and the lead record type that it belongs to.
    members: Vec<(usize, usize)>,
}

#[derive(Clone, Copy)]
struct Scope {
    lead: usize,
    member: Option<usize>,
}

impl Compiler<'_> {
    fn event(&mut self, spec: &EventSpec) -> Option<EventPlan> {
        let Some(record) = self.layout.record_type(&spec.record) else {
            self.problems.push(format!("{}: no record type `{}` in the layout", spec.event_type, spec.record));
            return None;
        };
        let scope = Scope { lead: record, member: None };
        let when = spec.when.as_ref().and_then(|when| Some((self.lead_field(scope, &when.field)?, when.is.clone())));
        let key = self.lead_field(scope, &spec.key);
        let business_date = self.source(scope, &spec.business_date);
        let data = self.object(scope, &spec.data);
        let needs_trailer = uses_trailer(&data) || matches!(business_date, Some(Source::Trailer(_)));
        Some(EventPlan {
            event_type: spec.event_type.clone(),
            record,
            when,
            key: key?,
            business_date: business_date?,
            data,
            needs_trailer,
        })
    }

    fn lead_field(&mut self, scope: Scope, reference: &FieldRef) -> Option<usize> {
        match self.source(scope, reference)? {
            Source::Lead(field) => Some(field),
            _ => {
                self.problems
                    .push(format!("{}.{}: a field of the lead record is wanted", reference.record, reference.field));
                None
            }
        }
    }

    fn source(&mut self, scope: Scope, reference: &FieldRef) -> Option<Source> {
        if reference.record == "file" {
            return match reference.field.as_str() {
                "business_date" => Some(Source::FileBusinessDate),
                "sequence" => Some(Source::FileSequence),
                "name" => Some(Source::FileName),
                other => {
                    self.problems.push(format!("file.{other}: a file has business_date, sequence and name"));
                    None
                }
            };
        }
        let found = self
            .layout
            .record_type(&reference.record)
            .and_then(|record| Some((record, self.layout.field(record, &reference.field)?)));
        let Some((record, field)) = found else {
            self.problems.push(format!("{}.{}: no such field in the layout", reference.record, reference.field));
            return None;
        };
        if record == scope.lead {
            return Some(Source::Lead(field));
        }
        if Some(record) == scope.member {
            return Some(Source::Member(field));
        }
        match self.layout.record_types()[record].role {
            Role::Header => Some(Source::Header(field)),
            Role::Trailer => Some(Source::Trailer(field)),
            Role::Detail => {
                self.problems.push(format!(
                    "{}.{}: a detail record other than the lead can only be used in `each`",
                    reference.record, reference.field
                ));
                None
            }
        }
    }

    fn object(&mut self, scope: Scope, spec: &[(String, ValueSpec)]) -> Vec<Member> {
        spec.iter().filter_map(|(name, value)| Some(Member::new(name, self.value(scope, value)?))).collect()
    }

    fn value(&mut self, scope: Scope, spec: &ValueSpec) -> Option<ValuePlan> {
        Some(match spec {
            ValueSpec::Field(reference) => {
                let source = self.source(scope, reference)?;
                ValuePlan::Field { source, number: self.is_integer(scope, source) }
            }
            ValueSpec::Codes { field, codes } => {
                ValuePlan::Codes { source: self.source(scope, field)?, codes: codes.clone() }
            }
            ValueSpec::Constant(value) => ValuePlan::Constant(value.clone()),
            ValueSpec::Object(members) => ValuePlan::Object(self.object(scope, members)),
            ValueSpec::Array(elements) => {
                ValuePlan::Array(elements.iter().filter_map(|element| self.value(scope, element)).collect())
            }
            ValueSpec::Each { record, data } => {
                let Some(member) = self.layout.record_type(record) else {
                    self.problems.push(format!("each `{record}`: no such record type in the layout"));
                    return None;
                };
                self.members.push((member, scope.lead));
                ValuePlan::Each { record: member, data: self.object(Scope { member: Some(member), ..scope }, data) }
            }
        })
    }

    fn is_integer(&self, scope: Scope, source: Source) -> bool {
        let frame = |role| self.layout.record_types().iter().position(|record| record.role == role);
        let place = match source {
            Source::Lead(field) => Some((scope.lead, field)),
            Source::Member(field) => scope.member.map(|member| (member, field)),
            Source::Header(field) => frame(Role::Header).map(|record| (record, field)),
            Source::Trailer(field) => frame(Role::Trailer).map(|record| (record, field)),
            Source::FileBusinessDate | Source::FileSequence | Source::FileName => None,
        };
        place.is_some_and(|(record, field)| {
            let value_type = self.layout.record_types()[record].fields[field].value_type();
            matches!(value_type, ValueType::Integer | ValueType::Boolean)
        })
    }

    fn uses(&mut self, plans: &[EventPlan], ignore: &[String]) -> Vec<RecordUse> {
        let mut uses = Vec::new();
        for (index, record) in self.layout.record_types().iter().enumerate() {
            let leads: Vec<usize> =
                plans.iter().enumerate().filter(|(_, plan)| plan.record == index).map(|(plan, _)| plan).collect();
            let member_of = self.members.iter().find(|(member, _)| *member == index).map(|(_, lead)| *lead);
            uses.push(match (record.role, leads.is_empty(), member_of) {
                (Role::Header | Role::Trailer, ..) => RecordUse::Frame,
                (Role::Detail, false, None) => RecordUse::Lead(leads),
                (Role::Detail, true, Some(lead)) => RecordUse::Member(lead),
                (Role::Detail, true, None) if ignore.contains(&record.name) => RecordUse::Ignored,
                (Role::Detail, true, None) => {
                    self.problems
                        .push(format!("record type `{}` makes no event: map it, or name it in `ignore`", record.name));
                    RecordUse::Ignored
                }
                (Role::Detail, false, Some(_)) => {
                    self.problems.push(format!("record type `{}` cannot be both lead and member", record.name));
                    RecordUse::Ignored
                }
            });
        }
        uses
    }
}

impl Member {
    fn new(name: &str, plan: ValuePlan) -> Self {
        let mut json_name = Vec::new();
        json_string(&mut json_name, name);
        json_name.push(b':');
        Self { name: name.to_owned(), json_name, plan }
    }
}

fn uses_trailer(data: &[Member]) -> bool {
    fn value(plan: &ValuePlan) -> bool {
        match plan {
            ValuePlan::Field { source, .. } | ValuePlan::Codes { source, .. } => matches!(source, Source::Trailer(_)),
            ValuePlan::Constant(_) => false,
            ValuePlan::Object(members) | ValuePlan::Each { data: members, .. } => uses_trailer(members),
            ValuePlan::Array(elements) => elements.iter().any(value),
        }
    }
    data.iter().any(|member| value(&member.plan))
}
