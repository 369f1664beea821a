//! Sums by which damage shows.

use std::hash::Hasher;
use std::path::Path;

use dropbridge_port::{CacheKeys, ErrorKind, Identity, PortError, RARE_CLASSES_FROM, Result, Tally};
use rusqlite::{Connection, OpenFlags};
use siphasher::sip::SipHasher13;

use crate::errors::{OPERATION, damaged, failure};

/// A number as SQLite stores it: signed, in the same order.
pub(crate) const fn stored(number: u64) -> i64 {
    (number ^ (1 << 63)).cast_signed()
}

/// The reverse of [`stored`].
pub(crate) const fn number(stored: i64) -> u64 {
    stored.cast_unsigned() ^ (1 << 63)
}

/// Over the entries of each index, in whatever order: adding an entry and taking it out again changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) records: u64,
    pub(crate) identity: u64,
    pub(crate) path: u64,
    pub(crate) content: u64,
    pub(crate) class: u64,
    /// Over the rows of `tallies`; not kept as one goes.
    pub(crate) tallies: u64,
}

impl Sums {
    /// With one more record.
    pub(crate) fn with(self, offset: i64, keys: &CacheKeys) -> Self {
        let own = Self::of(offset, keys);
        Self {
            records: self.records.wrapping_add(1),
            identity: self.identity.wrapping_add(own.identity),
            path: self.path.wrapping_add(own.path),
            content: self.content.wrapping_add(own.content),
            class: self.class.wrapping_add(own.class),
            ..self
        }
    }

    /// Without a record.
    pub(crate) fn without(self, offset: i64, keys: &CacheKeys) -> Self {
        let own = Self::of(offset, keys);
        Self {
            records: self.records.wrapping_sub(1),
            identity: self.identity.wrapping_sub(own.identity),
            path: self.path.wrapping_sub(own.path),
            content: self.content.wrapping_sub(own.content),
            class: self.class.wrapping_sub(own.class),
            ..self
        }
    }

    fn of(offset: i64, keys: &CacheKeys) -> Self {
        Self {
            records: 1,
            identity: of_identity(&keys.identity, offset),
            path: of_pair(stored(keys.path), offset),
            content: keys.content.map_or(0, |content| of_pair(stored(content), offset)),
            class: if keys.class >= RARE_CLASSES_FROM { of_pair(i64::from(keys.class), offset) } else { 0 },
            tallies: 0,
        }
    }
}

/// The finaliser of SplitMix64 (public domain, Steele, Lea and Flood 2014).
const fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

const fn of_pair(value: i64, offset: i64) -> u64 {
    mixed(value.cast_unsigned() ^ mixed(offset.cast_unsigned()))
}

fn of_identity(identity: &Identity, offset: i64) -> u64 {
    let number = u128::from_be_bytes(*identity);
    let (first, last) = ((number >> 64) as u64, (number & u128::from(u64::MAX)) as u64);
    mixed(first ^ mixed(last ^ mixed(offset.cast_unsigned())))
}

/// Over counts.
pub(crate) fn of_tallies(tallies: &[Tally]) -> u64 {
    let of_one = |tally: &Tally| {
        mixed(tally.amount ^ mixed(tally.records ^ mixed(u64::from(tally.group) << 8 | u64::from(tally.class))))
    };
    tallies.iter().map(of_one).fold(0, u64::wrapping_add)
}

/// The checksum of a record with everything by which it is found.
pub(crate) fn of_record(offset: i64, keys: &CacheKeys, record: &[u8]) -> i64 {
    let mut hasher = SipHasher13::new();
    hasher.write_i64(offset);
    hasher.write(&keys.identity);
    hasher.write_u64(keys.path);
    hasher.write_u64(keys.content.map_or(0, mixed));
    hasher.write_u32(keys.group);
    hasher.write_u8(keys.class);
    hasher.write_u32(keys.amount);
    hasher.write(record);
    hasher.finish().cast_signed()
}

/// The sums of what is in the indexes of a file. Each is gone through in its order, which has to be one.
pub(crate) fn of_indexes(connection: &Connection, subject: &str) -> Result<Sums> {
    let mut sums = Sums::default();
    identities(connection, subject, &mut sums)?;
    others(connection, subject, &mut sums)?;
    Ok(sums)
}

/// The same over two connections at once, for a file.
pub(crate) fn of_indexes_of_file(path: &Path, subject: &str) -> Result<Sums> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(path, flags).map_err(|error| failure(subject, &error))
    };
    let (mut sums, mut rest) = (Sums::default(), Sums::default());
    let (one, other) = std::thread::scope(|scope| {
        let beside = scope.spawn(|| others(&open()?, subject, &mut rest));
        let here = open().and_then(|connection| identities(&connection, subject, &mut sums));
        (here, beside.join())
    });
    one?;
    other.map_err(|_| PortError::new(ErrorKind::Bug, OPERATION, subject, "the check panicked"))??;
    Ok(Sums { path: rest.path, content: rest.content, class: rest.class, ..sums })
}

fn identities(connection: &Connection, subject: &str, sums: &mut Sums) -> Result<()> {
    const QUERY: &str = "SELECT identity, offset FROM records INDEXED BY by_identity ORDER BY identity";
    let mut last: Option<Identity> = None;
    let mut statement = connection.prepare(QUERY).map_err(|error| failure(subject, &error))?;
    let mut rows = statement.query([]).map_err(|error| failure(subject, &error))?;
    while let Some(row) = rows.next().map_err(|error| failure(subject, &error))? {
        let identity: Identity = row.get(0).map_err(|error| failure(subject, &error))?;
        let offset = row.get(1).map_err(|error| failure(subject, &error))?;
        if last.is_some_and(|last| last >= identity) {
            return Err(damaged(subject, "an index is out of order"));
        }
        last = Some(identity);
        sums.identity = sums.identity.wrapping_add(of_identity(&identity, offset));
        sums.records += 1;
    }
    Ok(())
}

fn others(connection: &Connection, subject: &str, sums: &mut Sums) -> Result<()> {
    sums.path =
        pairs(connection, subject, "SELECT path, offset FROM records INDEXED BY by_path ORDER BY path, offset")?;
    sums.content = pairs(
        connection,
        subject,
        "SELECT content, offset FROM records INDEXED BY by_content WHERE content IS NOT NULL ORDER BY content, offset",
    )?;
    sums.class = pairs(
        connection,
        subject,
        "SELECT class, offset FROM records INDEXED BY by_class WHERE class >= 5 ORDER BY class, offset",
    )?;
    Ok(())
}

fn pairs(connection: &Connection, subject: &str, query: &str) -> Result<u64> {
    let (mut sum, mut last) = (0_u64, None);
    let mut statement = connection.prepare(query).map_err(|error| failure(subject, &error))?;
    let mut rows = statement.query([]).map_err(|error| failure(subject, &error))?;
    while let Some(row) = rows.next().map_err(|error| failure(subject, &error))? {
        let value: i64 = row.get(0).map_err(|error| failure(subject, &error))?;
        let offset: i64 = row.get(1).map_err(|error| failure(subject, &error))?;
        if last.is_some_and(|last| last >= (value, offset)) {
            return Err(damaged(subject, "an index is out of order"));
        }
        last = Some((value, offset));
        sum = sum.wrapping_add(of_pair(value, offset));
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order() {
        let numbers = [0, 1, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX];
        assert!(numbers.iter().map(|number| stored(*number)).is_sorted());
        assert_eq!(numbers.map(|value| number(stored(value))), numbers);
    }

    #[test]
    fn what_is_taken_out_leaves_nothing() {
        let keys = |class| CacheKeys { identity: [7; 16], path: 3, content: Some(9), group: 0, class, amount: 0 };
        let sums = Sums::default().with(1, &keys(0)).with(2, &keys(6));
        assert_ne!(sums, Sums::default().with(1, &keys(0)).with(3, &keys(6)));
        assert_eq!(sums.without(1, &keys(0)).without(2, &keys(6)), Sums::default());
    }
}
