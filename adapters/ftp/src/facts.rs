//! Rows of `MLSD` and the answer to `MLST`: facts and a name (RFC 3659, section 7).

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::look::{Found, Kind};
use crate::timestamp::time_val;

/// What a row says of a file, and its name. `None` where it is no row.
pub(crate) fn parse(row: &[u8]) -> Option<(Found, &[u8])> {
    let (facts, name) = match row.strip_prefix(b" ") {
        Some(name) => (&b""[..], name),
        // A value may hold a space; what ends the facts is `; `.
        None => {
            let at = row.windows(2).position(|two| two == b"; ")?;
            (&row[..at], &row[at + 2..])
        }
    };
    if name.is_empty() {
        return None;
    }
    let mut found = Found::default();
    for fact in facts.split(|byte| *byte == b';') {
        let Some(at) = fact.iter().position(|byte| *byte == b'=') else { continue };
        let (key, value) = (fact[..at].to_ascii_lowercase(), &fact[at + 1..]);
        match key.as_slice() {
            b"type" => found.kind = kind(value),
            b"size" => found.size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
            b"modify" => found.modified_ns = time_val(value),
            b"unique" => found.version = digest(value),
            b"perm" => found.may_create = Some(value.iter().any(|right| matches!(right, b'c' | b'C'))),
            _ => {}
        }
    }
    Some((found, name))
}

fn kind(value: &[u8]) -> Kind {
    let value = value.to_ascii_lowercase();
    match value.as_slice() {
        b"file" => Kind::File,
        b"dir" => Kind::Directory,
        b"cdir" | b"pdir" => Kind::Itself,
        other if other.starts_with(b"os.unix=slink") || other.starts_with(b"os.unix=symlink") => Kind::Link,
        _ => Kind::Other,
    }
}

/// A number for bytes; never 0, which stands for none.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish() | 1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn rows_are_read() {
        let (found, name) = parse(b"type=file;size=12;modify=20260131235959;unique=805U12; a; b #\xff ").unwrap();
        assert_eq!((found.kind, found.size, name), (Kind::File, Some(12), &b"a; b #\xff "[..]));
        assert_eq!(found.modified_ns, Some(1_769_903_999_000_000_000));
        assert_ne!(found.version, 0);
        assert_ne!(found.version, parse(b"unique=805U13; a").unwrap().0.version);
        assert_eq!(parse(b"Type=DIR;Perm=flcdmpe; in").unwrap().0.may_create, Some(true));
        assert_eq!(parse(b"Type=DIR;Perm=fle; in").unwrap().0.may_create, Some(false));
        assert_eq!(parse(b"type=cdir; .").unwrap().0.kind, Kind::Itself);
        assert_eq!(parse(b"type=OS.unix=slink:/etc/passwd; link").unwrap().0.kind, Kind::Link);
        assert_eq!(parse(b"type=OS.unix=socket; s").unwrap().0.kind, Kind::Other);
        assert_eq!(parse(b" leading"), Some((Found::default(), &b"leading"[..])));
    }

    #[test]
    fn what_is_no_row_is_none() {
        for wrong in [&b""[..], b"line", b"type=file;", b"type=file; ", b"-rw-r--r-- 1 a b 3 Jan 1 00:00 x"] {
            assert_eq!(parse(wrong), None, "{}", String::from_utf8_lossy(wrong));
        }
    }
}
