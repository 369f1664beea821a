//! Whether the tail of a file says that the file is complete.

use std::io::Read;

use super::decode::RecordDecoder;
use super::framing::{End, without_end_mark};
use super::record::Place;
use super::render::RecordWriter;
use super::utf16::Source;
use super::{Layout, Presence, Record, Terminator};

/// The last line of a tail.
struct LastLine<'t> {
    /// Where it begins.
    start: usize,
    /// Its bytes without terminator; `None` where it ends as another system's lines do.
    content: Option<&'t [u8]>,
    terminated: bool,
}

impl Layout {
    /// Whether the last record in the last bytes of a file is a whole trailer. `false` for a layout without trailers.
    ///
    /// `tail` is the whole file, or at least its last [`Layout::tail_bytes`]. It is judged without what comes before: a
    /// trailer with a line break in quotes is not recognised, and a detail that was cut short within quotes could be
    /// mistaken for one. So this tells when a file may be complete; only the parser tells that it is.
    ///
    /// A trailer without a terminator counts only as the layout would write it: `12.5` could become `12.50` yet.
    #[must_use]
    pub fn ends_with_trailer(&self, tail: &[u8]) -> bool {
        let Some(trailer) = self.trailer else { return false };
        let mut text = Vec::new();
        if self.encoding.is_utf16() {
            if self.read_utf16(tail, &mut text).is_err() {
                return false;
            }
        } else {
            text.extend_from_slice(tail);
        }
        let whole = self.without_end_mark(&text);
        let rest = self.without_other_lines(whole);
        let last = self.last_line(rest);
        let stated = match (self.final_terminator, self.terminator) {
            (_, Terminator::None) | (Presence::Optional, _) => true,
            (Presence::Required, _) => last.terminated,
            (Presence::Absent, _) => !last.terminated || rest.len() < whole.len(),
        };
        match last.content {
            Some(content) if stated && rest.len() - last.start <= self.max_record_bytes => {
                let may_go_on = !last.terminated && self.terminator != Terminator::None;
                self.is_whole(trailer, content, may_go_on)
            }
            _ => false,
        }
    }

    /// How many of a file's last bytes [`Layout::ends_with_trailer`] needs.
    #[must_use]
    pub fn tail_bytes(&self) -> usize {
        let wide = if self.encoding.is_utf16() { 2 } else { 1 };
        self.max_record_bytes.saturating_mul(self.lines.footer + 1).saturating_mul(wide)
    }

    /// A tail without the padding behind the last record, and line breaks behind that.
    pub(super) fn without_end_mark<'t>(&self, tail: &'t [u8]) -> &'t [u8] {
        without_end_mark(tail, |byte| self.is_padding(byte))
    }

    /// A tail without footer, and the comments and blank lines before that.
    fn without_other_lines<'t>(&self, tail: &'t [u8]) -> &'t [u8] {
        let mut rest = tail;
        for _ in 0..self.lines.footer {
            rest = &rest[..self.last_line(rest).start];
        }
        let comment = self.lines.comment.as_ref().map(String::as_bytes);
        while !rest.is_empty() {
            let last = self.last_line(rest);
            let blank = self.lines.blank && last.content.is_some_and(<[u8]>::is_empty);
            if !blank && !comment.is_some_and(|comment| rest[last.start..].starts_with(comment)) {
                break;
            }
            rest = &rest[..last.start];
        }
        rest
    }

    fn last_line<'t>(&self, tail: &'t [u8]) -> LastLine<'t> {
        if self.terminator == Terminator::None {
            let start = tail.len().saturating_sub(self.record_length);
            return LastLine { start, content: Some(&tail[start..]), terminated: false };
        }
        let is_break = |byte: u8| match self.terminator.end(self.record_length) {
            End::Byte(end) => byte == end,
            End::AnyLineBreak => matches!(byte, b'\n' | b'\r'),
            End::Length(_) => false,
        };
        let both = self.terminator == Terminator::Mixed && tail.ends_with(b"\r\n");
        let terminated = tail.last().is_some_and(|last| is_break(*last));
        let before = tail.len() - if both { 2 } else { usize::from(terminated) };
        let start = tail[..before].iter().rposition(|byte| is_break(*byte)).map_or(0, |at| at + 1);
        let raw = &tail[start..];
        let content = if terminated { self.terminator.strip(raw).ok().map(|(content, _)| content) } else { Some(raw) };
        LastLine { start, content, terminated }
    }

    /// Appends the text of a tail, which may begin in the midst of a character.
    fn read_utf16(&self, tail: &[u8], text: &mut Vec<u8>) -> std::io::Result<()> {
        let tail = &tail[tail.len() % 2..];
        let mut start = tail.len().saturating_sub(self.tail_bytes()) & !1;
        let high = usize::from(self.encoding == super::Encoding::Utf16Le);
        // The second half of a pair.
        if tail.get(start + high).is_some_and(|byte| (0xDC..=0xDF).contains(byte)) {
            start += 2;
        }
        Source::new(&tail[start..], self.encoding).read_to_end(text).map(drop)
    }

    /// Whether a record, given without its terminator, is one of this type without fault.
    fn is_whole(&self, record_type: usize, content: &[u8], may_go_on: bool) -> bool {
        // Whether it is plain makes no difference but in speed.
        let plain = false;
        let mut decoder = RecordDecoder::new(self);
        if !decoder.identify(content, plain).is_ok_and(|found| found == record_type) {
            return false;
        }
        let mut record = Record::build(record_type);
        record.load(content, Place::default(), None);
        record.set_type(record_type);
        if decoder.read_fields(&mut record, plain).is_err() {
            return false;
        }
        let mut written = Vec::new();
        !may_go_on || (RecordWriter::new(self).write(&record, false, &mut written).is_ok() && written == content)
    }
}
