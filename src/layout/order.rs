//! Which record may come after which: header first, trailer last, each once; members below the record they belong to, no
//! fewer and no more than stated.

use super::record::Place;

/// What is known of a record type's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Only first, exactly once.
    pub(super) header: bool,
    /// Only last, exactly once.
    pub(super) trailer: bool,
    /// The type that it belongs to.
    pub(super) parent: Option<usize>,
    /// The fewest below each parent, or in the file.
    pub(super) min: u64,
    /// The most.
    pub(super) max: Option<u64>,
}

/// Where a file has come to.
#[derive(Clone, Debug)]
pub(super) struct Order {
    seen: Seen,
    /// The records that the next one may be below, outermost first.
    open: Vec<Open>,
    /// How many there were of each type that belongs to no other.
    top: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Records,
    Trailer,
}

/// A record that others may belong to.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// Its type.
    pub(super) record_type: usize,
    /// Where it stands.
    pub(super) place: Place,
    /// How many there were of each type below it.
    counts: Vec<u64>,
}

/// What is wrong with the place of a record, or with one that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// The file does not begin with its header.
    HeaderMissing,
    /// A header that is not the first record.
    HeaderAgain,
    /// Something after the trailer.
    AfterTrailer,
    /// A member without a record of this type to belong to.
    Orphan(usize),
    /// More than the stated number of this type.
    TooMany(u64),
    /// Fewer than the stated number of this type.
    TooFew(usize, u64),
}

impl Misplaced {
    /// In words; `name` tells the name of a record type.
    pub(super) fn reason<'n>(self, name: impl Fn(usize) -> &'n str) -> String {
        match self {
            Self::HeaderMissing => "the file does not begin with its header".to_owned(),
            Self::HeaderAgain => {
                "a header in the midst of the file; it may only stand first (two files in one?)".to_owned()
            }
            Self::AfterTrailer => "a record after the trailer, which must be the last (two files in one?)".to_owned(),
            Self::Orphan(parent) => format!("it has to follow a record of type `{}`", name(parent)),
            Self::TooMany(max) => format!("there may be at most {max} of this type here"),
            Self::TooFew(record_type, min) => {
                format!("it needs at least {min} of type `{}`, there are fewer", name(record_type))
            }
        }
    }
}

impl Order {
    pub(super) fn new(types: usize) -> Self {
        Self { seen: Seen::Nothing, open: Vec::new(), top: vec![0; types] }
    }

    /// Takes the next record. `closed` is given every record that nothing can belong to any more, innermost first.
    ///
    /// # Errors
    /// What is wrong, and with which record: one that had too few members, or the next one (`None`).
    pub(super) fn accept(
        &mut self,
        standing: &[Standing],
        record_type: usize,
        place: Place,
        mut closed: impl FnMut(&Open),
    ) -> Result<(), (Misplaced, Option<Open>)> {
        let own = standing[record_type];
        match self.seen {
            Seen::Trailer => return Err((Misplaced::AfterTrailer, None)),
            Seen::Nothing if !own.header && standing.iter().any(|standing| standing.header) => {
                return Err((Misplaced::HeaderMissing, None));
            }
            Seen::Records if own.header => return Err((Misplaced::HeaderAgain, None)),
            Seen::Nothing | Seen::Records => {}
        }
        self.seen = if own.trailer { Seen::Trailer } else { Seen::Records };
        while self.open.last().map(|open| open.record_type) != own.parent {
            let Some(open) = self.open.pop() else { break };
            open.check(standing).map_err(|wrong| (wrong, Some(open.clone())))?;
            closed(&open);
        }
        let counts = match (self.open.last_mut(), own.parent) {
            (Some(open), _) => &mut open.counts,
            (None, None) => &mut self.top,
            (None, Some(parent)) => return Err((Misplaced::Orphan(parent), None)),
        };
        counts[record_type] += 1;
        if let Some(max) = own.max.filter(|max| counts[record_type] > *max) {
            return Err((Misplaced::TooMany(max), None));
        }
        if standing.iter().any(|standing| standing.parent == Some(record_type)) {
            self.open.push(Open { record_type, place, counts: vec![0; standing.len()] });
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// As for [`Order::accept`]; without a record where the file itself has too few.
    pub(super) fn finish(
        &mut self,
        standing: &[Standing],
        mut closed: impl FnMut(&Open),
    ) -> Result<(), (Misplaced, Option<Open>)> {
        while let Some(open) = self.open.pop() {
            open.check(standing).map_err(|wrong| (wrong, Some(open.clone())))?;
            closed(&open);
        }
        too_few(standing, None, &self.top).map_or(Ok(()), |wrong| Err((wrong, None)))
    }

    /// Whether a trailer has come.
    pub(super) fn has_trailer(&self) -> bool {
        self.seen == Seen::Trailer
    }

    /// Forgets a bad record of this number: nothing can belong to it. One of unknown type may have been the last of
    /// whatever was open, or one that others belong to: until the next of those, nothing belongs to anything. Answers
    /// with the types of the records that ended so, innermost first.
    pub(super) fn forget(&mut self, record_type: Option<usize>, number: u64) -> Vec<usize> {
        if self.seen == Seen::Nothing {
            self.seen = Seen::Records;
        }
        if record_type.is_some() {
            if self.open.last().is_some_and(|open| open.place.number == number) {
                self.open.pop();
            }
            return Vec::new();
        }
        self.open.drain(..).rev().map(|open| open.record_type).collect()
    }
}

impl Open {
    fn check(&self, standing: &[Standing]) -> Result<(), Misplaced> {
        too_few(standing, Some(self.record_type), &self.counts).map_or(Ok(()), Err)
    }
}

fn too_few(standing: &[Standing], parent: Option<usize>, counts: &[u64]) -> Option<Misplaced> {
    let members = standing.iter().zip(counts).enumerate().filter(|(_, (standing, _))| standing.parent == parent);
    let mut missing = members.filter(|(_, (standing, count))| **count < standing.min);
    missing.next().map(|(record_type, (standing, _))| Misplaced::TooFew(record_type, standing.min))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const HEADER: usize = 0;
    const ORDER: usize = 1;
    const TRAILER: usize = 2;
    const LINE: usize = 3;
    const TAX: usize = 4;

    fn standing(header: bool, trailer: bool) -> Vec<Standing> {
        let top = Standing { header: false, trailer: false, parent: None, min: 0, max: None };
        vec![
            Standing { header, ..top },
            top,
            Standing { trailer, ..top },
            Standing { parent: Some(ORDER), min: 1, max: Some(2), ..top },
            Standing { parent: Some(LINE), ..top },
        ]
    }

    /// What was closed, or what is wrong and with which record.
    fn run(standing: &[Standing], records: &[usize]) -> Result<Vec<usize>, (Misplaced, Option<u64>)> {
        let mut order = Order::new(standing.len());
        let mut closed = Vec::new();
        let told = |(wrong, open): (Misplaced, Option<Open>)| (wrong, open.map(|open| open.place.number));
        for (index, record) in records.iter().enumerate() {
            let place = Place { number: index as u64 + 1, ..Place::default() };
            order.accept(standing, *record, place, |open| closed.push(open.record_type)).map_err(told)?;
        }
        order.finish(standing, |open| closed.push(open.record_type)).map_err(told)?;
        Ok(closed)
    }

    #[test]
    fn header_and_trailer_stand_where_they_must() {
        use Misplaced::{AfterTrailer, HeaderAgain, HeaderMissing};
        for (header, trailer, records, verdict) in [
            (true, true, &[HEADER, TAX, TRAILER] as &[usize], Err((Misplaced::Orphan(LINE), None))),
            (true, true, &[HEADER, TRAILER], Ok(vec![])),
            (true, true, &[TRAILER], Err((HeaderMissing, None))),
            (true, true, &[HEADER, HEADER], Err((HeaderAgain, None))),
            (true, true, &[HEADER, TRAILER, TRAILER], Err((AfterTrailer, None))),
            (true, true, &[HEADER, TRAILER, HEADER], Err((AfterTrailer, None))),
            (false, true, &[TRAILER], Ok(vec![])),
            (true, false, &[HEADER], Ok(vec![])),
            (false, false, &[], Ok(vec![])),
        ] {
            assert_eq!(run(&standing(header, trailer), records), verdict, "{records:?}");
        }
    }

    #[test]
    fn members_stand_below_what_they_belong_to() {
        let standing = standing(false, false);
        assert_eq!(
            run(&standing, &[ORDER, LINE, TAX, TAX, LINE, ORDER, LINE]),
            Ok(vec![LINE, LINE, ORDER, LINE, ORDER])
        );
        assert_eq!(run(&standing, &[ORDER, ORDER, LINE]), Err((Misplaced::TooFew(LINE, 1), Some(1))));
        assert_eq!(run(&standing, &[ORDER, LINE, ORDER]), Err((Misplaced::TooFew(LINE, 1), Some(3))));
        assert_eq!(run(&standing, &[ORDER, LINE, LINE, LINE]), Err((Misplaced::TooMany(2), None)));
        assert_eq!(run(&standing, &[LINE]), Err((Misplaced::Orphan(ORDER), None)));
        assert_eq!(run(&standing, &[ORDER, TAX]), Err((Misplaced::TooFew(LINE, 1), Some(1))));
    }

    #[test]
    fn behind_a_record_that_is_unknown_nothing_belongs_to_what_stood_before() {
        let standing = standing(false, false);
        let mut order = Order::new(standing.len());
        order.accept(&standing, ORDER, Place::default(), |_| ()).unwrap();
        assert_eq!(order.forget(None, 2), [ORDER]);
        let (wrong, _) = order.accept(&standing, LINE, Place::default(), |_| ()).unwrap_err();
        assert_eq!(wrong, Misplaced::Orphan(ORDER));
        order.accept(&standing, ORDER, Place::default(), |_| ()).unwrap();
        order.accept(&standing, LINE, Place::default(), |_| ()).unwrap();
    }

    #[test]
    fn nothing_belongs_to_a_bad_record_of_known_type_and_its_siblings_go_on() {
        let standing = standing(false, false);
        let mut order = Order::new(standing.len());
        let place = |number| Place { number, ..Place::default() };
        order.accept(&standing, ORDER, place(1), |_| ()).unwrap();
        order.accept(&standing, LINE, place(2), |_| ()).unwrap();
        assert!(order.forget(Some(LINE), 2).is_empty());
        let (wrong, _) = order.accept(&standing, TAX, place(3), |_| ()).unwrap_err();
        assert_eq!(wrong, Misplaced::Orphan(LINE));
        let mut order = Order::new(standing.len());
        order.accept(&standing, ORDER, place(1), |_| ()).unwrap();
        order.accept(&standing, LINE, place(2), |_| ()).unwrap();
        order.forget(Some(LINE), 2);
        order.accept(&standing, LINE, place(3), |_| ()).unwrap();
    }

    #[test]
    fn a_file_has_as_many_as_it_needs() {
        let mut standing = standing(false, false);
        standing[ORDER].min = 2;
        assert_eq!(run(&standing, &[ORDER, LINE]), Err((Misplaced::TooFew(ORDER, 2), None)));
        assert!(run(&standing, &[ORDER, LINE, ORDER, LINE]).is_ok());
    }
}
