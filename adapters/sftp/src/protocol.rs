//! Packets of the SSH File Transfer Protocol, version 3, with the extensions of OpenSSH.
//!
//! Written here because names are bytes: the client libraries take names and handles as text, so a name that is no UTF-8
//! comes back as another one. Sources: draft-ietf-secsh-filexfer-02, and OpenSSH's `PROTOCOL` for the extensions.

/// The version that is spoken.
pub(crate) const VERSION: u32 = 3;

/// The longest packet that is taken: OpenSSH sends at most 256 KiB, and a listing of a hundred long names less.
pub(crate) const MOST_PACKET_BYTES: usize = 1 << 20;

const INIT: u8 = 1;
const OPEN: u8 = 3;
const CLOSE: u8 = 4;
const READ: u8 = 5;
const WRITE: u8 = 6;
const LSTAT: u8 = 7;
const FSTAT: u8 = 8;
const SETSTAT: u8 = 9;
const FSETSTAT: u8 = 10;
const OPENDIR: u8 = 11;
const READDIR: u8 = 12;
const REMOVE: u8 = 13;
const MKDIR: u8 = 14;
const STAT: u8 = 17;
const RENAME: u8 = 18;
const EXTENDED: u8 = 200;

const REPLY_VERSION: u8 = 2;
const REPLY_STATUS: u8 = 101;
const REPLY_HANDLE: u8 = 102;
const REPLY_DATA: u8 = 103;
const REPLY_NAME: u8 = 104;
const REPLY_ATTRIBUTES: u8 = 105;
const REPLY_EXTENDED: u8 = 201;

const HAS_SIZE: u32 = 1;
const HAS_OWNER: u32 = 2;
const HAS_MODE: u32 = 4;
const HAS_TIMES: u32 = 8;
const HAS_EXTENDED: u32 = 1 << 31;

/// How a file is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OpenFor {
    /// Reading.
    Reading,
    /// Writing a file that nobody has yet.
    WritingNew,
    /// Writing on in a file that is there.
    WritingOn,
}

/// What a server says of a file; what it does not say is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileAttributes {
    pub(crate) size: Option<u64>,
    /// User and group id.
    pub(crate) owner: Option<(u32, u32)>,
    /// Type and permission bits as in `st_mode`.
    pub(crate) mode: Option<u32>,
    /// Access and modification, in seconds since the Unix epoch.
    pub(crate) times: Option<(u32, u32)>,
}

/// What kind of thing has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Regular,
    Directory,
    Symlink,
    Other(&'static str),
    /// The server did not say.
    Unknown,
}

impl FileAttributes {
    /// By the type bits of `st_mode`.
    pub(crate) fn kind(&self) -> FileKind {
        match self.mode.map(|mode| mode & 0o170_000) {
            Some(0o100_000) => FileKind::Regular,
            Some(0o040_000) => FileKind::Directory,
            Some(0o120_000) => FileKind::Symlink,
            Some(0o010_000) => FileKind::Other("named pipe"),
            Some(0o140_000) => FileKind::Other("socket"),
            Some(0o020_000 | 0o060_000) => FileKind::Other("device"),
            _ => FileKind::Unknown,
        }
    }
}

/// One name of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedFile {
    pub(crate) name: Vec<u8>,
    pub(crate) attributes: FileAttributes,
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Status { code: u32, message: String },
    Handle(Vec<u8>),
    Data(Vec<u8>),
    Names(Vec<NamedFile>),
    Attributes(FileAttributes),
    Extended(Vec<u8>),
}

/// Codes of a status.
pub(crate) mod status {
    pub(crate) const OK: u32 = 0;
    pub(crate) const END_OF_FILE: u32 = 1;
    pub(crate) const NO_SUCH_FILE: u32 = 2;
    pub(crate) const PERMISSION_DENIED: u32 = 3;
    pub(crate) const BAD_MESSAGE: u32 = 5;
    pub(crate) const UNSUPPORTED: u32 = 8;
}

/// What is asked of a server. Paths are bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request<'a> {
    Open {
        path: &'a [u8],
        how: OpenFor,
        mode: Option<u32>,
    },
    Close {
        handle: &'a [u8],
    },
    Read {
        handle: &'a [u8],
        offset: u64,
        length: u32,
    },
    Write {
        handle: &'a [u8],
        offset: u64,
        bytes: &'a [u8],
    },
    Lstat {
        path: &'a [u8],
    },
    Stat {
        path: &'a [u8],
    },
    Fstat {
        handle: &'a [u8],
    },
    Setstat {
        path: &'a [u8],
        attributes: FileAttributes,
    },
    Fsetstat {
        handle: &'a [u8],
        attributes: FileAttributes,
    },
    OpenDirectory {
        path: &'a [u8],
    },
    ReadDirectory {
        handle: &'a [u8],
    },
    Remove {
        path: &'a [u8],
    },
    MakeDirectory {
        path: &'a [u8],
        mode: Option<u32>,
    },
    /// Refused where `to` is there, by the draft.
    Rename {
        from: &'a [u8],
        to: &'a [u8],
    },
    /// `hardlink@openssh.com`.
    Hardlink {
        from: &'a [u8],
        to: &'a [u8],
    },
    /// `fsync@openssh.com`.
    Fsync {
        handle: &'a [u8],
    },
    /// `statvfs@openssh.com`.
    FileSystem {
        path: &'a [u8],
    },
    /// `limits@openssh.com`.
    Limits,
}

/// The packet that begins a session.
pub(crate) fn init() -> Vec<u8> {
    let mut packet = Packet::new(INIT);
    packet.number(VERSION);
    packet.finish()
}

/// The packet of a request, its length included.
pub(crate) fn encode(id: u32, request: &Request<'_>) -> Vec<u8> {
    let mut packet = Packet::new(kind_of(request));
    packet.number(id);
    match *request {
        Request::Open { path, how, mode } => {
            packet.text(path);
            // SSH_FXF_READ; WRITE with CREAT and EXCL; WRITE.
            packet.number(match how {
                OpenFor::Reading => 0x01,
                OpenFor::WritingNew => 0x02 | 0x08 | 0x20,
                OpenFor::WritingOn => 0x02,
            });
            packet.attributes(&FileAttributes { mode, ..FileAttributes::default() });
        }
        Request::Read { handle, offset, length } => {
            packet.text(handle);
            packet.long(offset);
            packet.number(length);
        }
        Request::Write { handle, offset, bytes } => {
            packet.text(handle);
            packet.long(offset);
            packet.text(bytes);
        }
        Request::Setstat { path, attributes } | Request::Fsetstat { handle: path, attributes } => {
            packet.text(path);
            packet.attributes(&attributes);
        }
        Request::MakeDirectory { path, mode } => {
            packet.text(path);
            packet.attributes(&FileAttributes { mode, ..FileAttributes::default() });
        }
        Request::Rename { from, to } => {
            packet.text(from);
            packet.text(to);
        }
        Request::Hardlink { from, to } => {
            packet.text(b"hardlink@openssh.com");
            packet.text(from);
            packet.text(to);
        }
        Request::Fsync { handle } => {
            packet.text(b"fsync@openssh.com");
            packet.text(handle);
        }
        Request::FileSystem { path } => {
            packet.text(b"statvfs@openssh.com");
            packet.text(path);
        }
        Request::Limits => packet.text(b"limits@openssh.com"),
        Request::Close { handle: only }
        | Request::Lstat { path: only }
        | Request::Stat { path: only }
        | Request::Fstat { handle: only }
        | Request::OpenDirectory { path: only }
        | Request::ReadDirectory { handle: only }
        | Request::Remove { path: only } => packet.text(only),
    }
    packet.finish()
}

const fn kind_of(request: &Request<'_>) -> u8 {
    match request {
        Request::Open { .. } => OPEN,
        Request::Close { .. } => CLOSE,
        Request::Read { .. } => READ,
        Request::Write { .. } => WRITE,
        Request::Lstat { .. } => LSTAT,
        Request::Stat { .. } => STAT,
        Request::Fstat { .. } => FSTAT,
        Request::Setstat { .. } => SETSTAT,
        Request::Fsetstat { .. } => FSETSTAT,
        Request::OpenDirectory { .. } => OPENDIR,
        Request::ReadDirectory { .. } => READDIR,
        Request::Remove { .. } => REMOVE,
        Request::MakeDirectory { .. } => MKDIR,
        Request::Rename { .. } => RENAME,
        Request::Hardlink { .. } | Request::Fsync { .. } | Request::FileSystem { .. } | Request::Limits => EXTENDED,
    }
}

/// A packet being made.
struct Packet(Vec<u8>);

impl Packet {
    fn new(kind: u8) -> Self {
        Self(vec![0, 0, 0, 0, kind])
    }

    fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    fn long(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    /// Requests are never near 4 GiB.
    fn text(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u32);
        self.0.extend_from_slice(bytes);
    }

    fn attributes(&mut self, attributes: &FileAttributes) {
        let FileAttributes { size, owner, mode, times } = *attributes;
        let flag = |is_there: bool, flag: u32| if is_there { flag } else { 0 };
        self.number(
            flag(size.is_some(), HAS_SIZE)
                | flag(owner.is_some(), HAS_OWNER)
                | flag(mode.is_some(), HAS_MODE)
                | flag(times.is_some(), HAS_TIMES),
        );
        if let Some(size) = size {
            self.long(size);
        }
        if let Some((one, other)) = owner {
            self.number(one);
            self.number(other);
        }
        if let Some(mode) = mode {
            self.number(mode);
        }
        if let Some((accessed, modified)) = times {
            self.number(accessed);
            self.number(modified);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let length = (self.0.len() - 4) as u32;
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}

/// What a server offers beside the draft: a name, and data such as a version.
pub(crate) type Extension = (Vec<u8>, Vec<u8>);

/// The answer to [`init`]: the version, and the extensions with their data. `None` where it is no such packet.
pub(crate) fn decode_version(packet: &[u8]) -> Option<(u32, Vec<Extension>)> {
    let mut fields = Fields(packet);
    if fields.byte()? != REPLY_VERSION {
        return None;
    }
    let version = fields.number()?;
    let mut extensions = Vec::new();
    while !fields.0.is_empty() {
        extensions.push((fields.text()?.to_vec(), fields.text()?.to_vec()));
    }
    Some((version, extensions))
}

/// A reply and the request that it is for; `packet` is without its length. `None` where it is malformed.
pub(crate) fn decode(packet: &[u8]) -> Option<(u32, Reply)> {
    let mut fields = Fields(packet);
    let kind = fields.byte()?;
    let id = fields.number()?;
    let reply = match kind {
        REPLY_STATUS => {
            let code = fields.number()?;
            // Servers of version 3 may leave out message and language.
            let message = fields.text().unwrap_or_default();
            Reply::Status { code, message: String::from_utf8_lossy(message).into_owned() }
        }
        REPLY_HANDLE => Reply::Handle(fields.text()?.to_vec()),
        REPLY_DATA => Reply::Data(fields.text()?.to_vec()),
        REPLY_NAME => {
            let count = fields.number()?;
            let mut names = Vec::new();
            for _ in 0..count {
                let name = fields.text()?.to_vec();
                let _for_people = fields.text()?;
                names.push(NamedFile { name, attributes: fields.attributes()? });
            }
            Reply::Names(names)
        }
        REPLY_ATTRIBUTES => Reply::Attributes(fields.attributes()?),
        REPLY_EXTENDED => Reply::Extended(fields.0.to_vec()),
        _ => return None,
    };
    Some((id, reply))
}

/// The numbers of an extended reply, such as those of `limits@openssh.com` and `statvfs@openssh.com`.
pub(crate) fn decode_longs(bytes: &[u8]) -> Vec<u64> {
    let mut fields = Fields(bytes);
    std::iter::from_fn(|| fields.long()).collect()
}

/// What is left of a packet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    fn attributes(&mut self) -> Option<FileAttributes> {
        let flags = self.number()?;
        let mut found = FileAttributes::default();
        if flags & HAS_SIZE != 0 {
            found.size = Some(self.long()?);
        }
        if flags & HAS_OWNER != 0 {
            found.owner = Some((self.number()?, self.number()?));
        }
        if flags & HAS_MODE != 0 {
            found.mode = Some(self.number()?);
        }
        if flags & HAS_TIMES != 0 {
            found.times = Some((self.number()?, self.number()?));
        }
        if flags & HAS_EXTENDED != 0 {
            for _ in 0..self.number()? {
                let (_kind, _data) = (self.text()?, self.text()?);
            }
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The bytes of the draft's description, by hand.
    #[test]
    fn requests_are_as_the_draft_says() {
        let open = encode(7, &Request::Open { path: b"a\xff", how: OpenFor::WritingNew, mode: Some(0o600) });
        let expected =
            [&[0, 0, 0, 23, 3, 0, 0, 0, 7, 0, 0, 0, 2, b'a', 0xff][..], &[0, 0, 0, 0x2a, 0, 0, 0, 4, 0, 0, 1, 0x80]]
                .concat();
        assert_eq!(open, expected);
        assert_eq!(init(), [0, 0, 0, 5, 1, 0, 0, 0, 3]);
        let read = encode(1, &Request::Read { handle: b"h", offset: 1 << 32, length: 9 });
        assert_eq!(read, [0, 0, 0, 22, 5, 0, 0, 0, 1, 0, 0, 0, 1, b'h', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9]);
    }

    #[test]
    fn names_come_back_byte_for_byte() {
        let mut packet = vec![REPLY_NAME, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0xe9, b'\n', 0, 0, 0, 1, b'l'];
        packet.extend([0, 0, 0, 0x0d, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0x81, 0xa4, 0, 0, 0, 5, 0, 0, 0, 6]);
        let attributes =
            FileAttributes { size: Some((1 << 32) + 2), owner: None, mode: Some(0o100_644), times: Some((5, 6)) };
        let names = vec![NamedFile { name: vec![0xe9, b'\n'], attributes }];
        assert_eq!(decode(&packet), Some((9, Reply::Names(names))));
        assert_eq!(attributes.kind(), FileKind::Regular);
        for cut in 0..packet.len() {
            assert_eq!(decode(&packet[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn versions_name_their_extensions() {
        let packet = [&[2, 0, 0, 0, 3, 0, 0, 0, 1, b'x', 0, 0, 0, 1, b'1'][..]].concat();
        assert_eq!(decode_version(&packet), Some((3, vec![(b"x".to_vec(), b"1".to_vec())])));
        assert_eq!(decode_version(&packet[..packet.len() - 1]), None);
        assert_eq!(decode_version(&[REPLY_STATUS, 0, 0, 0, 3]), None);
    }

    #[test]
    fn a_status_may_come_without_its_message() {
        let reply = decode(&[REPLY_STATUS, 0, 0, 0, 1, 0, 0, 0, 4]).unwrap();
        assert_eq!(reply, (1, Reply::Status { code: 4, message: String::new() }));
        assert_eq!(decode_longs(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 9]), [1, 2]);
    }
}
