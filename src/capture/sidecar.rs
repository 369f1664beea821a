//! Checksum sidecars, in the formats of `sha256sum`, `md5sum` and their BSD variants.

use super::readiness::ChecksumAlgorithm;

/// The checksum that a sidecar states for a file, in lower-case hexadecimal digits, or `None` where it states none yet
/// (empty, half written, or about other files).
///
/// A line is `HASH  NAME`, `HASH *NAME`, `ALGORITHM (NAME) = HASH`, or the bare hash. A line that names another file is
/// passed over.
#[must_use]
pub fn read(sidecar: &[u8], name: &[u8], algorithm: ChecksumAlgorithm) -> Option<String> {
    let digits = match algorithm {
        ChecksumAlgorithm::Md5 => 32,
        ChecksumAlgorithm::Sha256 => 64,
    };
    let text = String::from_utf8_lossy(sidecar);
    let name = String::from_utf8_lossy(name);
    text.lines().find_map(|line| {
        let line = line.trim_start_matches('\u{feff}').trim();
        let (hash, named) = match line.rsplit_once(" = ") {
            Some((head, hash)) => (hash, head.split_once('(').and_then(|(_, tail)| tail.strip_suffix(')'))),
            None => match line.split_once([' ', '\t']) {
                Some((hash, named)) => (hash, Some(named.trim_start_matches([' ', '\t', '*']))),
                None => (line, None),
            },
        };
        let fits = hash.len() == digits && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let about_it = named.is_none_or(|named| named.rsplit(['/', '\\']).next() == Some(&*name));
        (fits && about_it).then(|| hash.to_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        for (sidecar, expected) in [
            (format!("{md5}  a b.dat\n"), true),
            (format!("{md5} *a b.dat\r\n"), true),
            (format!("{}\n", md5.to_uppercase()), true),
            (format!("MD5 (a b.dat) = {md5}\n"), true),
            (format!("{md5}  /export/out/a b.dat\n"), true),
            (format!("{md5}  other.dat\n"), false),
            (md5[..20].to_owned(), false),
            (String::new(), false),
        ] {
            let read = read(sidecar.as_bytes(), b"a b.dat", ChecksumAlgorithm::Md5);
            assert_eq!(read.as_deref(), expected.then_some(md5), "{sidecar:?}");
        }
    }
}
