//! Servers that know no more than RFC 959 does: no `FEAT`, no `MLSD`, neither `SIZE` nor `MDTM`, no `REST`. None of Debian's
//! is as old, so this one plays their part.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::spawn;
use std::time::Duration;

use dropbridge_ftp::{CertificateTrust, Encryption, FtpServer, FtpSettings, FtpShare};
use dropbridge_port::{EntryPath, ErrorKind, ListRequest, Share};

const FILE: &[u8] = b"0123456789";

/// What one of them says.
struct OldServer {
    system: &'static str,
    rows: &'static [&'static str],
    /// What it takes `-a` for: an option, or the name of a directory that is not there.
    knows_options: bool,
    /// What it answers to `FEAT`, where it knows that.
    features: &'static str,
    /// Whether it answers to a password, or ends the connection.
    lets_in: bool,
    /// Directories that are entered before it forgets who has logged in.
    forgets_after: usize,
}

const PLAIN: OldServer =
    OldServer { system: "", rows: &[], knows_options: false, features: "", lets_in: true, forgets_after: usize::MAX };

static DOS: OldServer = OldServer {
    system: "Windows_NT",
    rows: &[
        "01-31-26  11:59PM                   10 orders of today.dat",
        "12-31-2025  08:00AM       <DIR>          archive",
    ],
    ..PLAIN
};

static UNIX: OldServer = OldServer {
    system: "UNIX Type: L8",
    rows: &[
        "total 2",
        "drwxr-xr-x   2 batch users        0 Dec 31  2025 archive",
        "-rw-r--r--   1 batch users       10 Jan 31  2026 orders of today.dat",
    ],
    ..PLAIN
};

/// Starts it; it lives as long as the test's process.
fn start(server: &'static OldServer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    spawn(move || listener.incoming().for_each(|control| drop(spawn(move || serve(server, control.unwrap())))));
    address
}

fn serve(server: &OldServer, mut control: TcpStream) -> Option<()> {
    let mut commands = BufReader::new(control.try_clone().ok()?).lines();
    let (mut passive, mut entered) = (None, 0);
    let mut say = |text: String| control.write_all(format!("{text}\r\n").as_bytes()).ok();
    say("220 ready".to_owned())?;
    while let Some(Ok(line)) = commands.next() {
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        match (verb, argument) {
            ("USER", _) => say("331 password?".to_owned())?,
            ("PASS", _) if !server.lets_in => return None,
            ("PASS", _) => say("230 welcome".to_owned())?,
            ("TYPE" | "NOOP", _) => say("200 well".to_owned())?,
            ("PWD", _) => say("257 \"/\" is here".to_owned())?,
            ("SYST", _) => say(format!("215 {}", server.system))?,
            ("FEAT", _) if !server.features.is_empty() => say(server.features.to_owned())?,
            ("MDTM", _) => say("213 20260131120000".to_owned())?,
            ("CWD", "/drops") if entered == server.forgets_after => {
                say("530 Please login with USER and PASS.".to_owned())?;
            }
            ("CWD", "/drops") => {
                entered += 1;
                say("250 there".to_owned())?;
            }
            ("CWD", _) => say("550 The system cannot find the file specified.".to_owned())?,
            ("PASV", _) => {
                let listener = TcpListener::bind("127.0.0.1:0").ok()?;
                let port = listener.local_addr().ok()?.port();
                say(format!("227 Entering Passive Mode (10,0,0,1,{},{})", port / 256, port % 256))?;
                passive = Some(listener);
            }
            ("LIST", options) => {
                say("150 here".to_owned())?;
                let mut transfer = passive.take()?.accept().ok()?.0;
                let shows = options.is_empty() || server.knows_options;
                let rows: String = server.rows.iter().filter(|_| shows).map(|row| format!("{row}\r\n")).collect();
                transfer.write_all(rows.as_bytes()).ok()?;
                drop(transfer);
                say("226 done".to_owned())?;
            }
            ("RETR", "/drops/orders of today.dat") => {
                say("150 here".to_owned())?;
                passive.take()?.accept().ok()?.0.write_all(FILE).ok()?;
                say("226 done".to_owned())?;
            }
            _ => say("500 what?".to_owned())?,
        }
    }
    Some(())
}

fn share(address: SocketAddr) -> FtpShare {
    let server: Arc<FtpServer> = FtpServer::new(FtpSettings {
        share: "old".to_owned(),
        host: address.ip().to_string(),
        port: address.port(),
        user: "anonymous".to_owned(),
        password: None,
        encryption: Encryption::None,
        trust: CertificateTrust::default(),
        connect_timeout: Duration::from_secs(60),
        stall_timeout: Duration::from_secs(60),
        parallel_transfers: 1,
    });
    FtpShare::new(server, b"/drops", "")
}

fn reads_as_it_should(server: &'static OldServer, modified_s: i64) {
    let share = share(start(server));
    let path = EntryPath::new("orders of today.dat").unwrap();
    let listing = share.list(ListRequest::default()).unwrap();
    assert_eq!(listing.entries.len(), 1, "{listing:?}");
    assert_eq!(listing.skipped.len(), 1, "the directory: {listing:?}");
    let listed = &listing.entries[0];
    assert_eq!((&listed.path, listed.stat.size, listed.stat.modified_ns), (&path, 10, modified_s * 1_000_000_000));
    assert_eq!(share.stat(&path).unwrap(), Some(listed.stat));
    assert_eq!(share.stat(&EntryPath::new("other").unwrap()).unwrap(), None);
    assert_eq!(share.capabilities().mtime_precision_ns, 60_000_000_000);
    let mut file = share.open(&path).unwrap();
    for (from, expected) in [(0, FILE), (7, &FILE[7..]), (3, &FILE[3..]), (10, b"")] {
        file.seek_to(from).unwrap();
        let mut read = Vec::new();
        file.read_to_end(&mut read).unwrap();
        assert_eq!(read, expected, "from {from}");
    }
    let missing = share.open(&EntryPath::new("other").unwrap()).err().unwrap();
    assert_eq!(missing.kind, ErrorKind::NotFound, "{missing}");
}

#[test]
fn a_server_that_lists_as_dos_does_is_read() {
    // By `date -u -d '2026-01-31 23:59' +%s`.
    reads_as_it_should(&DOS, 1_769_903_940);
}

/// It shows nothing for `LIST -a`, which is no reason to see nothing.
#[test]
fn a_unix_that_takes_an_option_for_a_name_is_read() {
    reads_as_it_should(&UNIX, 1_769_817_600);
}

/// Rows that no known server writes are no empty directory.
#[test]
fn a_listing_of_an_unknown_form_is_refused() {
    static STRANGE: OldServer =
        OldServer { system: "VMS", rows: &["ORDERS.DAT;1      2/4   31-JAN-2026 23:59:00"], ..PLAIN };
    let error = share(start(&STRANGE)).list(ListRequest::default()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    assert!(error.message.contains("form that is not known"), "{error}");
}

/// RFC 2389, section 3.2.
#[test]
fn a_server_that_says_in_one_line_that_it_has_no_features_is_read() {
    static FEATURELESS: OldServer =
        OldServer { features: "211 no features", system: DOS.system, rows: DOS.rows, ..PLAIN };
    reads_as_it_should(&FEATURELESS, 1_769_903_940);
}

#[test]
fn who_was_logged_out_logs_in_again() {
    static FORGETFUL: OldServer = OldServer { forgets_after: 3, system: DOS.system, rows: DOS.rows, ..PLAIN };
    let share = share(start(&FORGETFUL));
    for _ in 0..4 {
        assert_eq!(share.list(ListRequest::default()).unwrap().entries.len(), 1);
    }
}

/// vsftpd shows them as they are, and no command can carry them.
#[test]
fn names_with_a_line_end_are_passed_over_and_the_others_are_listed() {
    static RAW: OldServer = OldServer {
        system: "UNIX Type: L8",
        rows: &[
            "drwxr-xr-x   2 batch users        0 Dec 31  2025 archive\r",
            "-rw-r--r--   1 batch users       10 Jan 31  2026 orders.dat\r",
            "-rw-r--r--   1 batch users       10 Jan 31  2026 orders of today.dat",
        ],
        features: "211-Features:\r\n SIZE\r\n MDTM\r\n211 End",
        ..PLAIN
    };
    let listing = share(start(&RAW)).list(ListRequest { recursive: true }).unwrap();
    // By `date -u -d '2026-01-31 12:00' +%s`.
    let found: Vec<_> = listing.entries.iter().map(|one| (one.path.to_string(), one.stat.modified_ns)).collect();
    assert_eq!(found, [("orders of today.dat".to_owned(), 1_769_860_800_000_000_000)]);
    let skipped: Vec<_> = listing.skipped.iter().map(|one| one.reason.contains("line end")).collect();
    assert_eq!(skipped, [true, true], "{listing:?}");
}

/// It may be how a server refuses a password, and an account is locked after some wrong ones.
#[test]
fn a_connection_that_ends_after_the_password_is_not_opened_again_soon() {
    static CURT: OldServer = OldServer { lets_in: false, ..PLAIN };
    let share = share(start(&CURT));
    for _ in 0..3 {
        let error = share.list(ListRequest::default()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        assert!(error.message.contains("did not answer the login"), "{error}");
        assert!(error.hint.unwrap().contains("[share.old]"));
    }
}
