//! What can only be said of a file once it has come to its end.

use std::io::Read;

use super::super::decode::Fault;
use super::super::record::Place;
use super::super::{Presence, RejectCode, Terminator};
use super::{ParseError, Parser, Wrong, reject};

impl<R: Read> Parser<'_, R> {
    /// What can only be said of the whole file.
    pub(super) fn finish(&mut self) -> Result<(), ParseError> {
        self.facts.bytes = self.byte;
        if self.facts.records == 0 && (self.layout.header.is_some() || self.layout.trailer.is_some()) {
            return Err(self.empty());
        }
        self.check_footer()?;
        if let Some(trailer) = self.layout.trailer.filter(|_| !self.order.has_trailer()) {
            self.line += u64::from(!self.facts.frame.final_terminator);
            let reason = "the file ends without its trailer (cut short?)";
            return Err(self.reject_next(self.byte, Fault::of_record(RejectCode::Order, reason, Some(trailer))));
        }
        if self.facts.frame.final_terminator
            && self.layout.final_terminator == Presence::Absent
            && self.layout.terminator != Terminator::None
            && self.facts.frame.kept_lines.last().is_none_or(|line| line.before_record <= self.facts.records)
        {
            let reason = "the last record ends with a terminator, the layout says that it does not";
            let fault = Fault::of_record(RejectCode::Terminator, reason, None);
            return Err(reject(self.layout, self.last, fault).into());
        }
        self.close_all()?;
        let (outcomes, failed) = self.totals.finish(self.layout);
        self.facts.controls = outcomes;
        failed.map_or(Ok(()), |fault| Err(self.control_reject(fault).into()))
    }

    pub(super) fn check_footer(&self) -> Result<(), ParseError> {
        let wanted = self.layout.lines.footer;
        let after = self.facts.frame.kept_lines.iter().rev();
        let found = after.take_while(|line| line.before_record > self.facts.records).count();
        if wanted <= found || self.facts.overfull {
            return Ok(());
        }
        let reason =
            format!("the file ends with {found} lines behind its records, its footer has {wanted} (cut short?)");
        Err(self.reject_next(self.byte, Fault::of_record(RejectCode::Order, reason, None)))
    }

    /// Ends whatever is still open.
    pub(super) fn close_all(&mut self) -> Result<(), ParseError> {
        let mut closed = Vec::new();
        let finished = self.order.finish(&self.layout.standing, |open| closed.push(open.record_type));
        for record_type in closed {
            if let Err(fault) = self.totals.close(self.layout, record_type) {
                return Err(self.control_reject(fault).into());
            }
        }
        finished.map_err(|(wrong, open)| {
            let end = Place { byte: self.byte, line: self.line, number: self.facts.records + 1 };
            match self.misplaced(wrong, open, end, None) {
                Wrong::Place(reject, _) => (*reject).into(),
                Wrong::Record(fault) => reject(self.layout, end, fault).into(),
                Wrong::Control(fault) => self.control_reject(fault).into(),
            }
        })
    }

    pub(super) fn empty(&self) -> ParseError {
        let reason =
            "the file is empty, the layout needs a header, trailer or column names (a failed or unfinished copy?)";
        self.reject_next(0, Fault::of_record(RejectCode::Empty, reason, None))
    }
}
