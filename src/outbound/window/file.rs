//! The bytes of one file: header and trailer with the totals of what stands between them, in the order of the sort.
//!
//! What is made here has no hash to be held against, as a mirror has. So it is read back by its own layout before a byte
//! of it is staged: what the parser would refuse is not delivered.

use std::io::{self, Read};

use super::gather::{Distinct, GatheredFile};
use super::plan::WindowPlan;
use super::rows::RowReader;
use crate::config::settings::FrameValue;
use crate::inbound::rewrite::RewriteError;
use crate::layout::{Derivation, ParseError, Parser, Record, RenderError, Renderer, ValueType};
use crate::outbound::mirror::AssemblyError;
use crate::window::PlannedFile;

/// What is rendered before it is handed on.
const BUFFER_BYTES: usize = 1 << 16;

/// A file whose bytes are known to be right.
pub(super) struct WindowFile<'f> {
    plan: &'f WindowPlan,
    gathered: &'f GatheredFile,
    header: Option<Record>,
    trailer: Option<Record>,
    /// Events in it.
    pub(super) events: u64,
    /// Events that were there more than once.
    pub(super) repeated: u64,
}

impl<'f> WindowFile<'f> {
    /// Derives what the file states of itself, and reads it back.
    ///
    /// # Errors
    /// Why there can be no such file.
    pub(super) fn new(
        plan: &'f WindowPlan,
        planned: &PlannedFile,
        gathered: &'f GatheredFile,
    ) -> Result<Self, AssemblyError> {
        let layout = &plan.settings.layout;
        let header = layout.header().map(|kind| frame_record(plan, planned, kind, &plan.settings.header));
        let trailer = layout.trailer().map(|kind| frame_record(plan, planned, kind, &plan.settings.trailer));
        let mut file = Self { plan, gathered, header, trailer, events: 0, repeated: 0 };
        file.derive()?;
        file.prove()?;
        Ok(file)
    }

    fn derive(&mut self) -> Result<(), AssemblyError> {
        let mut derivation = Derivation::new(&self.plan.settings.layout);
        self.header.iter().try_for_each(|header| derivation.add(header)).map_err(|error| of_frame(&error))?;
        let mut rows = RowReader::new(self.plan, &[]);
        let mut events = Distinct::new(self.gathered)?;
        while let Some((event_type, data)) = events.next()? {
            self.events += 1;
            let records = records(&mut rows, self.plan, self.events, event_type, data)?;
            let added = records.iter().try_for_each(|record| derivation.add(record));
            added.map_err(|error| of_event(self.events, &error.to_string()))?;
        }
        self.repeated = events.repeated;
        self.trailer.iter().try_for_each(|trailer| derivation.add(trailer)).map_err(|error| of_frame(&error))?;
        self.header.iter_mut().chain(&mut self.trailer).for_each(|record| derivation.state(record));
        Ok(())
    }

    fn prove(&self) -> Result<(), AssemblyError> {
        let mut bytes = self.bytes()?;
        let mut parser = Parser::new(&self.plan.settings.layout, &mut bytes);
        let mut record = Record::new();
        let refused = loop {
            match parser.read(&mut record) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(ParseError::Reject(reject)) => break Some(reject.to_string()),
                Err(ParseError::Io(error)) => break Some(error.to_string()),
            }
        };
        let read_back = parser.facts().records;
        drop(parser);
        if let Some(error) = bytes.error.take() {
            return Err(error);
        }
        match refused {
            Some(reject) => Err(AssemblyError::Refused(format!("its layout would not take the file: {reject}"))),
            None if read_back != bytes.records => Err(AssemblyError::Refused(format!(
                "its layout would read {read_back} records of the {} that were written",
                bytes.records
            ))),
            None => Ok(()),
        }
    }

    /// Its bytes, from the first.
    ///
    /// # Errors
    /// Of the disk.
    pub(super) fn bytes(&self) -> Result<WindowBytes<'_>, AssemblyError> {
        Ok(WindowBytes {
            file: self,
            events: Distinct::new(self.gathered)?,
            rows: RowReader::new(self.plan, &[]),
            renderer: Renderer::new(&self.plan.settings.layout, &self.plan.frame),
            next: Step::Header,
            event: 0,
            records: 0,
            buffer: Vec::with_capacity(2 * BUFFER_BYTES),
            taken: 0,
            error: None,
        })
    }
}

/// Header or trailer, but for its totals.
fn frame_record(plan: &WindowPlan, planned: &PlannedFile, kind: usize, values: &[(String, FrameValue)]) -> Record {
    let layout = &plan.settings.layout;
    let fields = &layout.record_types()[kind].fields;
    let mut record = Record::build(kind);
    record.resize(fields.len());
    for (name, value) in values {
        let Some(field) = layout.field(kind, name) else { continue };
        let text = match value {
            FrameValue::BusinessDate => Some(planned.date.to_string()),
            FrameValue::Sequence if fields[field].value_type() == ValueType::Integer => {
                Some(planned.sequence.to_string())
            }
            FrameValue::Sequence => Some(plan.settings.rules.name.number(planned.sequence)),
            FrameValue::Name => Some(planned.name.clone()),
            FrameValue::CutOff => layout.moment_text(kind, field, &plan.settings.rules.calendar.local(planned.clock)),
            FrameValue::Constant(text) => Some(text.clone()),
        };
        if let Some(text) = text {
            record.set(field, &text);
        }
    }
    record.fill_defaults(layout);
    record
}

fn records<'r>(
    rows: &'r mut RowReader<'_>,
    plan: &WindowPlan,
    number: u64,
    event_type: usize,
    data: &[u8],
) -> Result<&'r [Record], AssemblyError> {
    let event_type = plan.settings.event_types.get(event_type).map_or("", String::as_str);
    rows.records(event_type, data).map_err(|why| of_event(number, &why))
}

fn of_event(number: u64, message: &str) -> AssemblyError {
    RewriteError { event: number, message: message.to_owned() }.into()
}

fn of_frame(error: &RenderError) -> AssemblyError {
    of_event(0, &error.to_string())
}

/// What is rendered next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Header,
    Events,
    End,
}

/// The bytes of a file, made while they are read.
pub(super) struct WindowBytes<'f> {
    file: &'f WindowFile<'f>,
    events: Distinct<'f>,
    rows: RowReader<'f>,
    renderer: Renderer<'f>,
    next: Step,
    event: u64,
    /// How many records were written.
    records: u64,
    buffer: Vec<u8>,
    taken: usize,
    /// Why they ended, where an error of reading says less.
    pub(super) error: Option<AssemblyError>,
}

impl WindowBytes<'_> {
    /// Renders until there is enough; nothing at the end.
    fn fill(&mut self) -> Result<(), AssemblyError> {
        self.buffer.clear();
        self.taken = 0;
        if self.next == Step::Header {
            self.next = Step::Events;
            self.renderer.begin(&mut self.buffer);
            self.frame(self.file.header.as_ref())?;
        }
        while self.next == Step::Events && self.buffer.len() < BUFFER_BYTES {
            let Some((event_type, data)) = self.events.next()? else {
                self.next = Step::End;
                self.frame(self.file.trailer.as_ref())?;
                self.renderer.finish(&mut self.buffer);
                break;
            };
            self.event += 1;
            for record in records(&mut self.rows, self.file.plan, self.event, event_type, data)? {
                let written = self.renderer.record(record, &mut self.buffer);
                written.map_err(|error| of_event(self.event, &error.to_string()))?;
                self.records += 1;
            }
        }
        Ok(())
    }

    fn frame(&mut self, record: Option<&Record>) -> Result<(), AssemblyError> {
        if let Some(record) = record {
            self.renderer.record(record, &mut self.buffer).map_err(|error| of_frame(&error))?;
            self.records += 1;
        }
        Ok(())
    }
}

impl Read for WindowBytes<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // What is rendered may have no bytes yet, and the end not be there.
        while self.taken == self.buffer.len() && self.next != Step::End {
            if let Err(error) = self.fill() {
                let message = error.to_string();
                self.error = Some(error);
                return Err(io::Error::other(message));
            }
        }
        let count = out.len().min(self.buffer.len() - self.taken);
        out[..count].copy_from_slice(&self.buffer[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}
