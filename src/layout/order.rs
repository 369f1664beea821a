//! Header first, trailer last, each exactly once.

/// Which records may come next.
#[derive(Clone, Debug)]
pub(super) struct Order {
    header: Option<usize>,
    trailer: Option<usize>,
    seen: Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Records,
    Trailer,
}

/// What is wrong with the place of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// The file does not begin with its header.
    HeaderMissing,
    /// A header that is not the first record.
    HeaderAgain,
    /// Something after the trailer.
    AfterTrailer,
}

impl Misplaced {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::HeaderMissing => "the file does not begin with its header",
            Self::HeaderAgain => "a header in the midst of the file; it may only stand first (two files in one?)",
            Self::AfterTrailer => "a record after the trailer, which must be the last (two files in one?)",
        }
    }
}

impl Order {
    /// `header` and `trailer` are the record types that must stand first and last.
    pub(super) fn new(header: Option<usize>, trailer: Option<usize>) -> Self {
        Self { header, trailer, seen: Seen::Nothing }
    }

    /// Takes the next record.
    pub(super) fn accept(&mut self, record_type: usize) -> Result<(), Misplaced> {
        let is_header = self.header == Some(record_type);
        match self.seen {
            Seen::Trailer => return Err(Misplaced::AfterTrailer),
            Seen::Nothing if self.header.is_some() && !is_header => return Err(Misplaced::HeaderMissing),
            Seen::Records if is_header => return Err(Misplaced::HeaderAgain),
            Seen::Nothing | Seen::Records => {}
        }
        self.seen = if self.trailer == Some(record_type) { Seen::Trailer } else { Seen::Records };
        Ok(())
    }

    /// The trailer that did not come, at the end of the file.
    pub(super) fn missing_trailer(&self) -> Option<usize> {
        self.trailer.filter(|_| self.seen != Seen::Trailer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn header_and_trailer_stand_where_they_must() {
        use Misplaced::{AfterTrailer, HeaderAgain, HeaderMissing};
        const HEADER: usize = 0;
        const DETAIL: usize = 1;
        const TRAILER: usize = 2;
        for (header, trailer, records, verdict) in [
            (true, true, &[HEADER, DETAIL, DETAIL, TRAILER] as &[usize], Ok(false)),
            (true, true, &[HEADER, TRAILER], Ok(false)),
            (true, true, &[HEADER, DETAIL], Ok(true)),
            (true, true, &[DETAIL], Err(HeaderMissing)),
            (true, true, &[TRAILER], Err(HeaderMissing)),
            (true, true, &[HEADER, HEADER], Err(HeaderAgain)),
            (true, true, &[HEADER, TRAILER, TRAILER], Err(AfterTrailer)),
            (true, true, &[HEADER, TRAILER, HEADER], Err(AfterTrailer)),
            (false, true, &[DETAIL, TRAILER, DETAIL], Err(AfterTrailer)),
            (false, true, &[TRAILER], Ok(false)),
            (false, true, &[], Ok(true)),
            (true, false, &[HEADER, DETAIL], Ok(false)),
            (false, false, &[DETAIL], Ok(false)),
        ] {
            let mut order = Order::new(header.then_some(HEADER), trailer.then_some(TRAILER));
            let accepted = records.iter().try_for_each(|record| order.accept(*record));
            assert_eq!(accepted.map(|()| order.missing_trailer().is_some()), verdict, "{records:?}");
        }
    }
}
