//! A file, written again from what its events and its manifest carry.

use super::proof::{Change, Exception};
use super::{FileFrame, Layout, Record, RenderError, Renderer};

/// Writes one file from its records, its frame and its exceptions. Records come in the order of the file: the header,
/// those of each event, the trailer.
pub struct Rebuilder<'l> {
    renderer: Renderer<'l>,
    exceptions: &'l [Exception],
    /// How many exceptions are done with.
    done: usize,
    /// Number of the record that comes next.
    next: u64,
}

impl<'l> Rebuilder<'l> {
    /// A file whose exceptions are in the order of its records.
    #[must_use]
    pub fn new(layout: &'l Layout, frame: &'l FileFrame, exceptions: &'l [Exception]) -> Self {
        Self { renderer: Renderer::new(layout, frame), exceptions, done: 0, next: 1 }
    }

    /// Appends what stands before the first record.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        self.renderer.begin(out);
    }

    /// Appends the next record, after those before it that no event carries.
    ///
    /// # Errors
    /// Where it cannot be written so that it would be read back.
    pub fn record(&mut self, record: &Record, out: &mut Vec<u8>) -> Result<(), RenderError> {
        self.write_uncarried(out);
        let changes = self.exceptions.get(self.done).filter(|exception| exception.record == self.next);
        let changes: &[Change] = changes.map_or(&[], |exception| &exception.changes);
        self.done += usize::from(!changes.is_empty());
        self.next += 1;
        self.renderer.changed_record(record, changes, out)
    }

    /// Appends what stands after the last record.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.write_uncarried(out);
        self.renderer.finish(out);
    }

    fn write_uncarried(&mut self, out: &mut Vec<u8>) {
        while let Some(exception) = self.exceptions.get(self.done).filter(|exception| exception.record == self.next) {
            let [Change::Whole { raw }] = &exception.changes[..] else { break };
            self.renderer.raw_record(&raw.0, out);
            self.done += 1;
            self.next += 1;
        }
    }
}
