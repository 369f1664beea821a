//! What is in a directory of the server, and below it: by `MLSD` where the server has it, by `LIST` otherwise.
//!
//! A row of `LIST` has a time of the server's own zone, to the minute or to the day. So the time is asked for by `MDTM`
//! where the server has that, once for each row: as long as a row is the same, what was answered is kept.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};
use std::time::SystemTime;

use dropbridge_port::{EntryPath, EntryStat, ErrorKind, ListRequest, Listing, PortError, Result};
use dropbridge_remote::Survey;

use crate::connection::Connection;
use crate::facts;
use crate::failure;
use crate::list_line;
use crate::look::{Found, Kind, modified};
use crate::names::can_be_told;
use crate::timestamp::within_bounds;
use crate::transfer::Transfer;
use crate::tree::{Tree, enter};

const OPERATION: &str = "list";

/// No name is as long: what is longer is no listing.
const MOST_ROW_BYTES: u64 = 64 << 10;

/// A directory to read.
pub(crate) struct Directory {
    pub(crate) full: Vec<u8>,
    pub(crate) subject: String,
}

/// A row of it.
pub(crate) struct Row<'r> {
    pub(crate) name: &'r [u8],
    pub(crate) found: Found,
    /// The time is the row's own, of an unknown zone.
    pub(crate) is_rough: bool,
    /// The row as it came.
    pub(crate) text: &'r [u8],
}

/// What a line of a listing comes to.
pub(crate) enum Line<'r> {
    Row(Row<'r>),
    /// A line that no known server writes.
    Unreadable(&'r [u8]),
}

/// Rows whose times were asked for: a digest of the row, and what it came to.
pub(crate) type KnownRows = HashMap<Vec<u8>, (u64, EntryStat)>;

/// Lists the regular files of a tree. Directories wait as paths, so that no depth is too deep.
///
/// # Errors
/// `NotFound` when the root is not there; a directory below that goes away meanwhile is none.
pub(crate) fn list(
    connection: &mut Connection,
    tree: &Tree,
    request: ListRequest,
    known: &mut KnownRows,
) -> Result<Listing> {
    let before = std::mem::take(known);
    let mut walk = Walk {
        tree,
        pending: vec![Vec::new()],
        survey: Survey::new(request.recursive),
        rough: Vec::new(),
        before,
        known,
    };
    while let Some(path) = walk.pending.pop() {
        match walk.read(connection, &path) {
            Err(error) if error.kind == ErrorKind::NotFound && !path.is_empty() => {}
            Err(error) if error.kind == ErrorKind::NotFound => return Err(tree.missing(OPERATION)),
            answer => answer?,
        }
    }
    // A root that was removed while it was read looks like an empty one.
    tree.require_root(connection, OPERATION)?;
    Ok(walk.survey.finish())
}

/// Visits every row of a directory.
///
/// # Errors
/// Of the server, and of `visit`; `NotFound` where it is not there.
pub(crate) fn read_directory(
    connection: &mut Connection,
    operation: &'static str,
    directory: &Directory,
    mut visit: impl FnMut(Line<'_>) -> Result<()>,
) -> Result<()> {
    let subject = &directory.subject;
    if connection.abilities.facts {
        let asked = ("MLSD", directory.full.as_slice());
        return transfer_lines(connection, operation, subject, asked, |text| match facts::parse(text) {
            Some((found, name)) => visit(Line::Row(Row { name, found, is_rough: false, text })),
            None => visit(Line::Unreadable(text)),
        });
    }
    // `LIST` of a directory that is not there is an empty one to some servers, and its path may hold wildcards.
    if !enter(connection, operation, subject, &directory.full)? {
        return Err(PortError::new(ErrorKind::NotFound, operation, subject, "no such directory"));
    }
    if connection.abilities.unix {
        // The directory itself stands in a listing by a server that understands the option.
        let mut understood = false;
        transfer_listing(connection, operation, subject, "LIST -a", &mut |line| {
            understood |= matches!(&line, Line::Row(row) if row.name == b".");
            visit(line)
        })?;
        if understood {
            return Ok(());
        }
    }
    transfer_listing(connection, operation, subject, "LIST", &mut visit)
}

fn transfer_listing(
    connection: &mut Connection,
    operation: &'static str,
    subject: &str,
    command: &str,
    visit: &mut impl FnMut(Line<'_>) -> Result<()>,
) -> Result<()> {
    let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now_s = i64::try_from(now_s).unwrap_or(i64::MAX);
    let (mut read, mut lines) = (0_usize, 0_usize);
    transfer_lines(connection, operation, subject, (command, b""), |text| {
        if list_line::is_heading(text) {
            return Ok(());
        }
        lines += 1;
        let Some(row) = list_line::parse(text, now_s) else { return visit(Line::Unreadable(text)) };
        read += 1;
        let modified_ns = within_bounds(row.modified_s, 0);
        let found = Found { kind: row.kind, size: Some(row.size), modified_ns: Some(modified_ns), ..Found::default() };
        visit(Line::Row(Row { name: row.name, found, is_rough: true, text }))
    })?;
    if lines > 0 && read == 0 {
        let message = "the server's listing has a form that is not known";
        return Err(PortError::new(ErrorKind::Refused, operation, subject, message)
            .with_hint("ask its owner to switch MLSD on (RFC 3659), or listings as Unix or DOS write them"));
    }
    Ok(())
}

/// Hands each line of a listing over, and sees to it that all came.
fn transfer_lines(
    connection: &mut Connection,
    operation: &'static str,
    subject: &str,
    (verb, path): (&str, &[u8]),
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let transfer = match connection.begin(operation, subject, verb, path, 0)? {
        Ok(transfer) => transfer,
        Err(refusal) if refusal.may_be_missing() => {
            return Err(PortError::new(ErrorKind::NotFound, operation, subject, "no such directory"));
        }
        Err(refusal) => return Err(failure::refused(operation, subject, &refusal)),
    };
    let mut reader = BufReader::with_capacity(64 << 10, transfer);
    let read = read_lines(&mut reader, &mut each);
    let transfer = reader.into_inner();
    match read {
        Ok(()) => failure::done(operation, subject, connection.finish(operation, subject, transfer)?),
        Err(Ended::Visitor(error)) => Err(error),
        Err(Ended::Line(error)) => Err(failure::lost_io(operation, subject, &error, connection.stall_ms())),
    }
}

/// Why a listing was not read to its end.
enum Ended {
    Line(io::Error),
    Visitor(PortError),
}

fn read_lines(
    reader: &mut BufReader<Transfer>,
    each: &mut impl FnMut(&[u8]) -> Result<()>,
) -> std::result::Result<(), Ended> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader.by_ref().take(MOST_ROW_BYTES).read_until(b'\n', &mut line).map_err(Ended::Line)?;
        if length == 0 {
            return Ok(());
        }
        // What a listing has to be, nobody announces; one that is cut in a row at least can be told.
        let cut = || Ended::Line(io::Error::new(io::ErrorKind::UnexpectedEof, "the listing ends in a row"));
        let bare = line.strip_suffix(b"\n").ok_or_else(cut)?;
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        if !bare.is_empty() {
            each(bare).map_err(Ended::Visitor)?;
        }
    }
}

/// A listing on its way.
struct Walk<'a> {
    tree: &'a Tree,
    /// Directories that wait to be read.
    pending: Vec<Vec<u8>>,
    survey: Survey,
    /// Files whose time is to be asked for: path, digest of the row, size and the row's own time.
    rough: Vec<(EntryPath, u64, EntryStat)>,
    before: KnownRows,
    known: &'a mut KnownRows,
}

impl Walk<'_> {
    fn read(&mut self, connection: &mut Connection, path: &[u8]) -> Result<()> {
        let directory = Directory { full: self.tree.full(connection, path), subject: self.subject(path) };
        read_directory(connection, OPERATION, &directory, |line| match line {
            Line::Row(row) => self.add(path, &row),
            Line::Unreadable(text) => {
                let path = String::from_utf8_lossy(text).escape_debug().to_string();
                self.survey.pass_over(path, "a row of the listing that cannot be read");
                Ok(())
            }
        })?;
        self.ask_times(connection)
    }

    fn subject(&self, path: &[u8]) -> String {
        EntryPath::new(path).map_or_else(|| self.tree.address().to_owned(), |path| self.tree.subject(&path))
    }

    fn add(&mut self, above: &[u8], row: &Row<'_>) -> Result<()> {
        if row.found.kind == Kind::Itself || row.name == b"." || row.name == b".." {
            return Ok(());
        }
        let Some(path) = self.survey.path_of(above, row.name) else { return Ok(()) };
        if !can_be_told(row.name) {
            self.survey.pass_over(path.to_string(), "a name with a line end, which FTP cannot tell");
            return Ok(());
        }
        match row.found.kind {
            Kind::File => {
                let stat = row.found.need_stat(OPERATION, &self.tree.subject(&path))?;
                if row.is_rough {
                    self.rough.push((path, facts::digest(row.text), stat));
                } else {
                    self.survey.add_file(path, stat);
                }
            }
            Kind::Directory => {
                if self.survey.is_to_be_read(&path) {
                    self.pending.push(path.as_bytes().to_vec());
                }
            }
            kind => self.survey.pass_over(path.to_string(), kind.name()),
        }
        Ok(())
    }

    fn ask_times(&mut self, connection: &mut Connection) -> Result<()> {
        for (path, digest, rough) in std::mem::take(&mut self.rough) {
            if !(connection.abilities.size && connection.abilities.mdtm) {
                self.survey.add_file(path, rough);
                continue;
            }
            let known =
                self.before.get(path.as_bytes()).filter(|(its, stat)| *its == digest && stat.size == rough.size);
            let stat = match known {
                Some((_, stat)) => *stat,
                None => {
                    let full = self.tree.full(connection, path.as_bytes());
                    match modified(connection, OPERATION, &self.tree.subject(&path), &full)? {
                        Some(Some(modified_ns)) => EntryStat { modified_ns, ..rough },
                        Some(None) => rough,
                        // In a command this byte is sent twice (RFC 854), which not every server takes for one.
                        None if path.as_bytes().contains(&0xFF) => {
                            let reason = "a name with the byte FF, which the server does not find again";
                            self.survey.pass_over(path.to_string(), reason);
                            continue;
                        }
                        // It went away meanwhile.
                        None => continue,
                    }
                }
            };
            self.known.insert(path.as_bytes().to_vec(), (digest, stat));
            self.survey.add_file(path, stat);
        }
        Ok(())
    }
}
