//! The directory that a share is, on servers whose paths are bytes.

use dropbridge_port::EntryPath;

/// A directory of a server, as it was stated: from the server's top, or from where the user arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    path: Vec<u8>,
    address: String,
}

impl Root {
    /// The directory `below` the path `root` of the server at `server`. An empty root is where the user arrives.
    #[must_use]
    pub fn new(server: &str, root: &[u8], below: &str) -> Self {
        let path = join(root, below.as_bytes());
        let shown = String::from_utf8_lossy(&path).into_owned();
        let address = if shown.starts_with('/') { format!("{server}{shown}") } else { format!("{server}/~/{shown}") };
        Self { path, address }
    }

    /// The directory of this name in it.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        Self { path: join(&self.path, name.as_bytes()), address: format!("{}/{name}", self.address) }
    }

    /// Its path; empty is where the user arrives.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// For logs and errors.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A path below it, for messages.
    #[must_use]
    pub fn subject(&self, path: &EntryPath) -> String {
        format!("{}/{path}", self.address)
    }
}

/// The path of a name in a directory; without a name, of the directory.
#[must_use]
pub fn join(above: &[u8], name: &[u8]) -> Vec<u8> {
    let is_between = !above.is_empty() && !above.ends_with(b"/") && !name.is_empty();
    [above, if is_between { b"/" } else { b"" }, name].concat()
}

/// The directories on the way to a path below a root, the uppermost first; none for what lies in the root.
pub fn parents(path: &EntryPath) -> impl Iterator<Item = &[u8]> {
    let parent = path.parent();
    let ends = parent.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    ends.chain((!parent.is_empty()).then_some(parent.len())).map(|end| &parent[..end])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn addresses_tell_the_directory() {
        assert_eq!(Root::new("ftp://u@h:21", b"/drops", "in").address(), "ftp://u@h:21/drops/in");
        assert_eq!(Root::new("ftp://u@h:21", b"", "in").address(), "ftp://u@h:21/~/in");
        let staging = Root::new("ftp://u@h:21", b"/drops", "").below(".dropbridge");
        assert_eq!((staging.address(), staging.path()), ("ftp://u@h:21/drops/.dropbridge", &b"/drops/.dropbridge"[..]));
    }

    #[test]
    fn directories_are_found_from_above() {
        let of = |path: &str| parents(&EntryPath::new(path).unwrap()).map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(of("a/b/c.dat"), [b"a".to_vec(), b"a/b".to_vec()]);
        assert!(of("c.dat").is_empty());
    }

    #[test]
    fn paths_are_joined_once() {
        assert_eq!(join(b"/drops", b"a b"), b"/drops/a b");
        assert_eq!(join(b"/", b"a"), b"/a");
        assert_eq!(join(b"/drops", b""), b"/drops");
        assert_eq!(join(b"", b"in"), b"in");
    }
}
