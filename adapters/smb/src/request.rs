//! What is asked of the server, as MS-SMB2 writes it; nothing here waits or sends.

use std::sync::Arc;

use smb2::msg::close::CloseRequest;
use smb2::msg::create::{CreateDisposition, CreateRequest, ImpersonationLevel, ShareAccess};
use smb2::msg::flush::FlushRequest;
use smb2::msg::query_directory::{FileInformationClass, QueryDirectoryFlags, QueryDirectoryRequest};
use smb2::msg::query_info::{InfoType, QueryInfoRequest};
use smb2::msg::read::ReadRequest;
use smb2::msg::set_info::SetInfoRequest;
use smb2::msg::write::WriteRequest;
use smb2::pack::Pack;
use smb2::types::flags::FileAccessMask;
use smb2::types::{Command, FileId, OplockLevel};

/// What one credit pays for (MS-SMB2 3.1.5.2).
pub(crate) const CREDIT_BYTES: u32 = 64 << 10;

/// Directory entries with file ids (MS-FSCC 2.4.22).
pub(crate) const LISTED: FileInformationClass = FileInformationClass::FileIdBothDirectoryInformation;

/// Create options (MS-SMB2 2.2.13).
const DIRECTORY_FILE: u32 = 0x0000_0001;
const NON_DIRECTORY_FILE: u32 = 0x0000_0040;
const DELETE_ON_CLOSE: u32 = 0x0000_1000;

/// Information classes (MS-FSCC 2.4, 2.5).
const FILE_RENAME_INFORMATION: u8 = 10;
const FILE_ALL_INFORMATION: u8 = 18;
const VOLUME_INFORMATION: u8 = 1;

/// Room for all information of a file, its name among it.
const INFORMATION_BYTES: u32 = 8 << 10;

/// Where data begins in a write, seen from its header (MS-SMB2 2.2.21).
const WRITE_DATA_OFFSET: u16 = 0x70;

/// The handle of the request before in the same chain.
pub(crate) const OF_THE_CHAIN: FileId = FileId::SENTINEL;

/// A request, ready to be sent.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) command: Command,
    pub(crate) body: Arc<dyn Pack>,
    pub(crate) credits: u16,
}

/// How something is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Opening {
    /// To look at it: that clashes with no open of others.
    Look,
    /// To read a file.
    Read,
    /// To see whether somebody writes a file: nobody may as long as it is open.
    NoWriter,
    /// To list a directory.
    List,
    /// To see whether files may be made in a directory.
    MayWrite,
    /// To write a file that nobody has made.
    WriteNew,
    /// To go on writing a file.
    WriteOn,
    /// To make a directory.
    MakeDirectory,
    /// To rename a file.
    Rename,
    /// To delete a file, when it is closed.
    Delete,
}

impl Opening {
    const fn access(self) -> u32 {
        type Mask = FileAccessMask;
        let wanted = match self {
            Self::Look | Self::MakeDirectory => 0,
            Self::Read | Self::NoWriter | Self::List => Mask::FILE_READ_DATA,
            // Of a directory: to add a file, to add a directory.
            Self::MayWrite => Mask::FILE_WRITE_DATA | Mask::FILE_APPEND_DATA,
            Self::WriteNew | Self::WriteOn => Mask::FILE_WRITE_DATA,
            Self::Rename | Self::Delete => Mask::DELETE,
        };
        wanted | Mask::FILE_READ_ATTRIBUTES | Mask::SYNCHRONIZE
    }

    const fn disposition(self) -> CreateDisposition {
        match self {
            Self::WriteNew | Self::MakeDirectory => CreateDisposition::FileCreate,
            _ => CreateDisposition::FileOpen,
        }
    }

    /// What stays allowed to others.
    const fn others_may(self) -> u32 {
        let all = ShareAccess::FILE_SHARE_READ | ShareAccess::FILE_SHARE_WRITE | ShareAccess::FILE_SHARE_DELETE;
        match self {
            Self::NoWriter => all & !ShareAccess::FILE_SHARE_WRITE,
            _ => all,
        }
    }

    const fn options(self) -> u32 {
        match self {
            Self::Look => 0,
            Self::List | Self::MayWrite | Self::MakeDirectory => DIRECTORY_FILE,
            Self::Read | Self::NoWriter | Self::WriteNew | Self::WriteOn | Self::Rename => NON_DIRECTORY_FILE,
            Self::Delete => NON_DIRECTORY_FILE | DELETE_ON_CLOSE,
        }
    }
}

fn request(command: Command, body: impl Pack + 'static) -> Request {
    Request { command, body: Arc::new(body), credits: 1 }
}

/// One that moves so many bytes.
fn moving(command: Command, body: impl Pack + 'static, bytes: u32) -> Request {
    Request {
        credits: u16::try_from(bytes.div_ceil(CREDIT_BYTES)).unwrap_or(u16::MAX).max(1),
        ..request(command, body)
    }
}

/// Opens what has a name, given as it goes over the wire.
pub(crate) fn open(name: &str, opening: Opening) -> Request {
    let body = CreateRequest {
        requested_oplock_level: OplockLevel::None,
        impersonation_level: ImpersonationLevel::Impersonation,
        desired_access: FileAccessMask::new(opening.access()),
        file_attributes: 0,
        share_access: ShareAccess(opening.others_may()),
        create_disposition: opening.disposition(),
        create_options: opening.options(),
        name: name.to_owned(),
        create_contexts: Vec::new(),
    };
    request(Command::Create, body)
}

/// Gives a handle back.
pub(crate) fn close(file: FileId) -> Request {
    request(Command::Close, CloseRequest { flags: 0, file_id: file })
}

/// Reads from an offset.
pub(crate) fn read(file: FileId, offset: u64, length: u32) -> Request {
    let body = ReadRequest {
        padding: 0,
        flags: 0,
        length,
        offset,
        file_id: file,
        minimum_count: 0,
        channel: 0,
        remaining_bytes: 0,
        read_channel_info: Vec::new(),
    };
    moving(Command::Read, body, length)
}

/// Writes at an offset.
pub(crate) fn write(file: FileId, offset: u64, data: Vec<u8>) -> Request {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let body = WriteRequest {
        data_offset: WRITE_DATA_OFFSET,
        offset,
        file_id: file,
        channel: 0,
        remaining_bytes: 0,
        write_channel_info_offset: 0,
        write_channel_info_length: 0,
        flags: 0,
        data,
    };
    moving(Command::Write, body, length)
}

/// Makes what was written survive a power cut of the server.
pub(crate) fn flush(file: FileId) -> Request {
    request(Command::Flush, FlushRequest { file_id: file })
}

/// Asks for the next names of a directory, as many as fit.
pub(crate) fn list(directory: FileId, most_bytes: u32) -> Request {
    let body = QueryDirectoryRequest {
        file_information_class: LISTED,
        flags: QueryDirectoryFlags::default(),
        file_index: 0,
        file_id: directory,
        output_buffer_length: most_bytes,
        file_name: "*".to_owned(),
    };
    moving(Command::QueryDirectory, body, most_bytes)
}

/// Asks for all that the server knows of what is open.
pub(crate) fn information(file: FileId) -> Request {
    query(file, InfoType::File, FILE_ALL_INFORMATION)
}

/// Asks which volume something is on.
pub(crate) fn volume(file: FileId) -> Request {
    query(file, InfoType::Filesystem, VOLUME_INFORMATION)
}

fn query(file: FileId, info_type: InfoType, class: u8) -> Request {
    let body = QueryInfoRequest {
        info_type,
        file_info_class: class,
        output_buffer_length: INFORMATION_BYTES,
        additional_information: 0,
        flags: 0,
        file_id: file,
        input_buffer: Vec::new(),
    };
    request(Command::QueryInfo, body)
}

/// Gives another name, as it goes over the wire; one that is taken is refused (MS-FSCC 2.4.42.2).
pub(crate) fn rename(file: FileId, to: &str) -> Request {
    const REPLACE_IF_EXISTS: u8 = 0;
    let name: Vec<u8> = to.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut buffer = vec![REPLACE_IF_EXISTS, 0, 0, 0, 0, 0, 0, 0];
    // No directory that the name is relative to.
    buffer.extend_from_slice(&0_u64.to_le_bytes());
    buffer.extend_from_slice(&u32::try_from(name.len()).unwrap_or(u32::MAX).to_le_bytes());
    buffer.extend_from_slice(&name);
    let body = SetInfoRequest {
        info_type: InfoType::File,
        file_info_class: FILE_RENAME_INFORMATION,
        additional_information: 0,
        file_id: file,
        buffer,
    };
    request(Command::SetInfo, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_much_costs_more_credits() {
        let credits = |length| read(OF_THE_CHAIN, 0, length).credits;
        assert_eq!([credits(0), credits(1), credits(65_536), credits(65_537), credits(1 << 20)], [1, 1, 1, 2, 16]);
    }

    #[test]
    fn nothing_is_denied_to_others_unless_that_is_the_question() {
        let left_to_others = |opening| {
            let mut cursor = smb2::pack::WriteCursor::new();
            open("a", opening).body.pack(&mut cursor);
            // ShareAccess stands at byte 32 of the request (MS-SMB2 2.2.13).
            cursor.as_bytes()[32..36].to_vec()
        };
        for opening in [Opening::Look, Opening::Read, Opening::WriteNew, Opening::Rename, Opening::Delete] {
            assert_eq!(left_to_others(opening), [7, 0, 0, 0], "{opening:?}");
        }
        assert_eq!(left_to_others(Opening::NoWriter), [5, 0, 0, 0], "reading and deleting");
    }
}
