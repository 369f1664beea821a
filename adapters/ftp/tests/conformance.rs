//! A directory of a real FTP server does what every share and every outbox must do: over ProFTPD and vsftpd, plain and
//! with both kinds of TLS.
#![allow(clippy::unwrap_used)]

mod support;

use dropbridge_conformance::ftpd::{Ftpd, FtpdTls};
use dropbridge_conformance::outbox::OutboxDirectory;
use dropbridge_conformance::share::DirectoryHarness;

/// Reading over the server touches access times as the server's mount says. Lines of the protocol end at a line end.
fn share(ftpd: Ftpd, tls: FtpdTls) -> Option<DirectoryHarness> {
    let server = support::server(ftpd, tls)?;
    let connection = support::connection(&server, tls);
    let harness = DirectoryHarness::new(false, move |root| {
        let _lives_as_long = &server;
        Box::new(support::share(&connection, root))
    });
    Some(match ftpd {
        // For each directory it looks at all above it again.
        Ftpd::Proftpd => harness.without_bytes(b"\r\n").of_depth(100),
        // In a command FF is sent twice (RFC 854), which it does not take for one.
        Ftpd::Vsftpd => harness.without_bytes(b"\r\n\xff"),
    })
}

fn outbox(ftpd: Ftpd, tls: FtpdTls, staging: Option<&'static str>) -> Option<OutboxDirectory> {
    let server = support::server(ftpd, tls)?;
    let connection = support::connection(&server, tls);
    Some(OutboxDirectory::new(staging, move |share, staging| {
        let _lives_as_long = &server;
        Box::new(support::outbox(&connection, share, staging))
    }))
}

/// Both suites over one kind of server; files are staged within the outbox, or beside it.
macro_rules! over {
    ($($name:ident: $ftpd:ident, $tls:ident, $staging:expr;)*) => {
        $(mod $name {
            use dropbridge_conformance::ftpd::{Ftpd, FtpdTls};

            mod share {
                use super::{Ftpd, FtpdTls};
                dropbridge_conformance::share_conformance!(match crate::share(Ftpd::$ftpd, FtpdTls::$tls) {
                    Some(harness) => harness,
                    None => return,
                });
            }

            mod outbox {
                use super::{Ftpd, FtpdTls};
                dropbridge_conformance::outbox_conformance!(match crate::outbox(Ftpd::$ftpd, FtpdTls::$tls, $staging) {
                    Some(harness) => harness,
                    None => return,
                });
            }
        })*
    };
}

over! {
    proftpd: Proftpd, None, None;
    proftpd_explicit: Proftpd, Explicit, Some("staging");
    proftpd_implicit: Proftpd, Implicit, None;
    vsftpd: Vsftpd, None, Some("staging");
    vsftpd_explicit: Vsftpd, Explicit, None;
    vsftpd_implicit: Vsftpd, Implicit, Some("staging");
}
