//! Replies out of packets.

use super::{Extension, FileAttributes, NamedFile, Reply, has};

const REPLY_VERSION: u8 = 2;
const REPLY_STATUS: u8 = 101;
const REPLY_HANDLE: u8 = 102;
const REPLY_DATA: u8 = 103;
const REPLY_NAME: u8 = 104;
const REPLY_ATTRIBUTES: u8 = 105;
const REPLY_EXTENDED: u8 = 201;

/// The answer to [`init`](super::init): the version, and the extensions with their data. `None` where it is no such packet.
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
        if flags & has::SIZE != 0 {
            found.size = Some(self.long()?);
        }
        if flags & has::OWNER != 0 {
            found.owner = Some((self.number()?, self.number()?));
        }
        if flags & has::MODE != 0 {
            found.mode = Some(self.number()?);
        }
        if flags & has::TIMES != 0 {
            found.times = Some((self.number()?, self.number()?));
        }
        if flags & has::EXTENDED != 0 {
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
    use crate::protocol::FileKind;

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
