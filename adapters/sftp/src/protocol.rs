//! Packets of the SSH File Transfer Protocol, version 3, with the extensions of OpenSSH.
//!
//! Written here because names are bytes: the client libraries take names and handles as text, so a name that is no UTF-8
//! comes back as another one. Sources: draft-ietf-secsh-filexfer-02, and OpenSSH's `PROTOCOL` for the extensions.

mod decode;
mod encode;

pub(crate) use decode::{decode, decode_longs, decode_version};
pub(crate) use encode::{encode, init};

/// The version that is spoken.
pub(crate) const VERSION: u32 = 3;

/// The longest packet that is taken: OpenSSH sends at most 256 KiB, and a listing of a hundred long names less.
pub(crate) const MOST_PACKET_BYTES: usize = 1 << 20;

/// Which attributes stand in a packet.
mod has {
    pub(super) const SIZE: u32 = 1;
    pub(super) const OWNER: u32 = 2;
    pub(super) const MODE: u32 = 4;
    pub(super) const TIMES: u32 = 8;
    pub(super) const EXTENDED: u32 = 1 << 31;
}

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

/// What a server offers beside the draft: a name, and data such as a version.
pub(crate) type Extension = (Vec<u8>, Vec<u8>);
