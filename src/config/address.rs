//! A share's address: a path or a `file://` URL; the other schemes come with their adapters.

use std::path::PathBuf;

use super::given::Given;

/// The directory an address means.
pub(super) fn directory(given: &Given<'_>) -> Option<PathBuf> {
    let text = given.text()?;
    if text.is_empty() {
        given.problem("is empty");
        return None;
    }
    let Some((scheme, rest)) = text.split_once("://") else { return Some(given.source().beside(&text)) };
    if !scheme.eq_ignore_ascii_case("file") {
        given.problem_with_hint(
            format!("`{scheme}` is not supported by this build"),
            Some("mount the share and state its path".to_owned()),
        );
        return None;
    }
    let path = rest.strip_prefix("localhost").filter(|path| path.starts_with('/')).unwrap_or(rest);
    if !path.starts_with('/') {
        given.problem_with_hint(
            "a file URL can only name a directory of this machine",
            Some("write `file:///path`".to_owned()),
        );
        return None;
    }
    let decoded = percent_decoded(path);
    if decoded.is_none() {
        given.problem("`%` in a URL must be followed by two hexadecimal digits");
    }
    decoded
}

fn percent_decoded(path: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = tail.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}
