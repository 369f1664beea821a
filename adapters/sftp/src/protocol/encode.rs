//! Requests as packets.

use super::{FileAttributes, OpenFor, Request, VERSION, has};

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
            flag(size.is_some(), has::SIZE)
                | flag(owner.is_some(), has::OWNER)
                | flag(mode.is_some(), has::MODE)
                | flag(times.is_some(), has::TIMES),
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

#[cfg(test)]
mod tests {
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
}
