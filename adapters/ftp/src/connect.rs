//! From settings to a connection: the way there, TLS, logging in, what the server can do.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use dropbridge_port::{ErrorKind, PortError, Result, Secret};
use dropbridge_remote::unanswered_login;
use suppaftp::types::FileType;
use suppaftp::{FtpError, FtpResult, Mode, Status};

use crate::connection::{Abilities, Client, Connection};
use crate::failure::{self, Refusal};
use crate::names::{Bytes, PASSWORD, WithPassword, as_text};
use crate::settings::{Encryption, FtpSettings};
use crate::tls::Connector;

const OPERATION: &str = "connect";

/// What is wanted of each file; what else a server knows costs it time.
const FACTS: &str = "type;size;modify;unique;perm;";

/// Opens a connection. What the server can do is asked for unless it is known. Blocks for `connect_timeout` at most.
///
/// # Errors
/// `Transient` when the server cannot be reached, `Refused` when it is not the right one or does not let us in, or
/// does not answer the password, `Configuration` for trust that cannot be used.
pub(crate) fn connect(settings: &FtpSettings, known: Option<Arc<Abilities>>) -> Result<Connection> {
    let (sender, receiver) = channel();
    let (stated, awaits_login) = (settings.clone(), Arc::new(AtomicBool::new(false)));
    let noted = Arc::clone(&awaits_login);
    // Looking a name up has no timeout, and each step of logging in has one of its own: who waits gives all of it up.
    let begun = std::thread::Builder::new().name("ftp connect".to_owned()).spawn(move || {
        let _taken = sender.send(open(&stated, known.as_ref(), &noted));
    });
    begun.map_err(|error| trouble(settings, error))?;
    match receiver.recv_timeout(settings.connect_timeout) {
        Ok(opened) => opened,
        Err(RecvTimeoutError::Timeout) => Err(unless_login(settings, &awaits_login, too_late(settings))),
        Err(RecvTimeoutError::Disconnected) => Err(trouble(settings, "the attempt was given up")),
    }
}

fn trouble(settings: &FtpSettings, message: impl std::fmt::Display) -> PortError {
    PortError::new(ErrorKind::Transient, OPERATION, settings.address(), message)
        .with_hint("it is tried again by itself; if it lasts, look at the server and the way to it")
}

/// What ends a connection while the password is to be answered may be the server's refusal of it.
fn unless_login(settings: &FtpSettings, awaits_login: &AtomicBool, error: PortError) -> PortError {
    if awaits_login.load(Ordering::Relaxed) {
        return unanswered_login(&error.subject, &settings.share, &error.message);
    }
    error
}

fn too_late(settings: &FtpSettings) -> PortError {
    let waited = settings.connect_timeout.as_millis();
    let hint = match settings.encryption {
        Encryption::Implicit => {
            "is this the right host and port, does a firewall let it through, and does TLS begin with the first byte there \
             (tls = \"implicit\")?"
        }
        _ => "is this the right host and port, and does a firewall let it through?",
    };
    trouble(settings, format!("no answer within {waited} ms (connect_timeout_ms)")).with_hint(hint)
}

/// `awaits_login` is set as long as the password was sent and not answered.
fn open(settings: &FtpSettings, known: Option<&Arc<Abilities>>, awaits_login: &Arc<AtomicBool>) -> Result<Connection> {
    let connector = match settings.encryption {
        Encryption::None => None,
        _ => Some(Connector::new(settings, settings.stall_timeout)?),
    };
    let client = reach(settings, connector.as_ref())?;
    let begun = prepared(settings, client, awaits_login);
    let abilities = known.cloned().unwrap_or_default();
    let mut connection = Connection::new(begun?, connector, abilities, settings.stall_timeout);
    let address = settings.address();
    if settings.encryption == Encryption::Implicit {
        for (verb, argument) in [("PBSZ", &b"0"[..]), ("PROT", b"P")] {
            let protected = connection.ask(OPERATION, &address, verb, argument, &[Status::CommandOk])?;
            protected.map_err(|refusal| not_protected(settings, &refusal))?;
        }
    }
    if known.is_none() {
        connection.abilities = Arc::new(ask_abilities(&mut connection, &address)?);
    }
    if connection.abilities.facts {
        // A server that does not take it tells what it likes.
        let facts = format!("MLST {FACTS}");
        let _told = connection.ask(OPERATION, &address, "OPTS", facts.as_bytes(), &[Status::CommandOk])?;
    }
    Ok(connection)
}

/// A connection in which the server has greeted us, with TLS where that is stated.
fn reach(settings: &FtpSettings, connector: Option<&Connector>) -> Result<Client> {
    let until = Instant::now() + settings.connect_timeout;
    let failed = |error: FtpError| not_reached(settings, connector, &failure::without_cut_reply(error));
    let addresses: Vec<SocketAddr> = (settings.host.as_str(), settings.port)
        .to_socket_addrs()
        .map_err(|error| trouble(settings, error).with_hint("is the name of the host right?"))?
        .collect();
    let mut last = trouble(settings, "the host has no address");
    for address in addresses {
        if let (Encryption::Implicit, Some(connector)) = (settings.encryption, connector) {
            match Client::connect_secure_implicit(address, connector.clone(), &settings.host) {
                Ok(client) => return Ok(client),
                Err(error) => last = failed(error),
            }
            continue;
        }
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let stream = match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => stream,
            Err(error) => {
                last = trouble(settings, error).with_hint("is this the right host and port, and does the server run?");
                continue;
            }
        };
        let greeted = timed(stream, settings).and_then(Client::connect_with_stream);
        let reached = match connector {
            Some(connector) => greeted.and_then(|client| client.into_secure(connector.clone(), &settings.host)),
            None => greeted,
        };
        return reached.map_err(failed);
    }
    Err(last)
}

/// No read and no write waits longer than the stated time.
fn timed(stream: TcpStream, settings: &FtpSettings) -> FtpResult<TcpStream> {
    let set = stream
        .set_read_timeout(Some(settings.stall_timeout))
        .and_then(|()| stream.set_write_timeout(Some(settings.stall_timeout)))
        .and_then(|()| stream.set_nodelay(true));
    set.map(|()| stream).map_err(FtpError::ConnectionError)
}

fn not_reached(settings: &FtpSettings, connector: Option<&Connector>, error: &FtpError) -> PortError {
    if let Some(refused) = connector.and_then(Connector::take_refusal) {
        return refused;
    }
    match error {
        FtpError::UnexpectedResponse(response) => {
            let refusal = Refusal::of(response);
            match refusal.code {
                421 => too_many(settings, &refusal),
                500..=534 if settings.encryption == Encryption::Explicit => not_protected(settings, &refusal),
                _ => failure::refused(OPERATION, &settings.address(), &refusal),
            }
        }
        other => failure::lost(OPERATION, &settings.address(), other, settings.stall_timeout.as_millis()).with_hint(
            "is this an FTP server, and is `tls` in the share as the server has it (\"explicit\", \"implicit\")?",
        ),
    }
}

fn not_protected(settings: &FtpSettings, refusal: &Refusal) -> PortError {
    let message = format!("the server does not protect connections by TLS: {} {}", refusal.code, refusal.text);
    PortError::new(ErrorKind::Refused, OPERATION, settings.address(), message)
        .with_hint("ask its owner to switch TLS on; `ftp://` does without, and shows password and files to the line")
}

fn too_many(settings: &FtpSettings, refusal: &Refusal) -> PortError {
    trouble(settings, format!("the server says: {} {}", refusal.code, refusal.text)).with_hint(format!(
        "it may allow fewer connections than it was asked for: lower parallel_transfers in [share.{}]",
        settings.share
    ))
}

/// Logs in, and sets what holds for all that follows.
fn prepared(settings: &FtpSettings, mut client: Client, awaits_login: &Arc<AtomicBool>) -> Result<Client> {
    let user = as_text(settings.user.as_bytes());
    let password = settings.password.clone().unwrap_or_else(|| Secret::new("dropbridge@"));
    client.set_encoding(WithPassword(password, Arc::clone(awaits_login)));
    let logged_in = client.login(user.as_str(), PASSWORD);
    client.set_encoding(Bytes);
    logged_in.map_err(|error| not_let_in(settings, &failure::without_cut_reply(error), awaits_login))?;
    awaits_login.store(false, Ordering::Relaxed);
    let peer = {
        let socket = client.get_ref();
        socket.set_nodelay(true).and_then(|()| socket.peer_addr()).map_err(|error| trouble(settings, error))?
    };
    client.set_mode(if peer.is_ipv6() { Mode::ExtendedPassive } else { Mode::Passive });
    // Transfers go to the server that was logged in to, whatever address it tells: it may know its own one only.
    client.set_passive_nat_workaround(true);
    let stated = settings.clone();
    let mut client = client.passive_stream_builder(move |address| {
        let stream = TcpStream::connect_timeout(&address, stated.connect_timeout.min(stated.stall_timeout));
        stream.map_err(FtpError::ConnectionError).and_then(|stream| timed(stream, &stated))
    });
    let address = settings.address();
    let stall_ms = settings.stall_timeout.as_millis();
    match client.transfer_type(FileType::Image).map_err(failure::without_cut_reply) {
        Ok(()) => Ok(client),
        Err(FtpError::UnexpectedResponse(response)) => {
            let refusal = Refusal::of(&response);
            Err(failure::refused(OPERATION, &address, &refusal))
        }
        Err(error) => Err(failure::lost(OPERATION, &address, &error, stall_ms)),
    }
}

fn not_let_in(settings: &FtpSettings, error: &FtpError, awaits_login: &AtomicBool) -> PortError {
    let FtpError::UnexpectedResponse(response) = error else {
        let lost = failure::lost(OPERATION, &settings.address(), error, settings.stall_timeout.as_millis());
        return unless_login(settings, awaits_login, lost);
    };
    let refusal = Refusal::of(response);
    if refusal.code == 421 {
        return too_many(settings, &refusal);
    }
    if (400..500).contains(&refusal.code) && refusal.code != 430 {
        return failure::refused(OPERATION, &settings.address(), &refusal);
    }
    let message = format!(
        "the server does not let user `{}` in by the password: {} {}",
        settings.user, refusal.code, refusal.text
    );
    let tls = match settings.encryption {
        Encryption::None => "; or does it want TLS (`ftps://`)?",
        _ => "",
    };
    PortError::new(ErrorKind::Refused, OPERATION, settings.address(), message).with_hint(format!(
        "correct user or password in [share.{}]{tls} It is tried seldom, so that the account is not locked",
        settings.share
    ))
}

fn ask_abilities(connection: &mut Connection, address: &str) -> Result<Abilities> {
    let features = connection.features(address)?;
    let has = |name: &str| features.iter().any(|feature| feature.eq_ignore_ascii_case(name));
    let home = connection.ask(OPERATION, address, "PWD", b"", &[Status::PathCreated])?;
    let home = failure::done(OPERATION, address, home)?;
    let mut abilities = Abilities {
        facts: has("MLST"),
        size: has("SIZE"),
        mdtm: has("MDTM"),
        restart: has("REST"),
        unix: false,
        home: quoted(&home).unwrap_or_else(|| b"/".to_vec()),
    };
    if !abilities.facts {
        let system = connection.ask(OPERATION, address, "SYST", b"", &[Status::Name])?;
        abilities.unix = system.is_ok_and(|body| String::from_utf8_lossy(&body).to_ascii_uppercase().contains("UNIX"));
    }
    Ok(abilities)
}

/// The path in `257 "path" …`; a quote in it is doubled (RFC 959, appendix II).
fn quoted(body: &[u8]) -> Option<Vec<u8>> {
    let begin = body.iter().position(|byte| *byte == b'"')? + 1;
    let mut path = Vec::new();
    let mut rest = body.get(begin..)?.iter();
    while let Some(byte) = rest.next() {
        if *byte == b'"' && rest.next() != Some(&b'"') {
            return Some(path).filter(|path| path.starts_with(b"/"));
        }
        path.push(*byte);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_of_arrival_is_read() {
        assert_eq!(quoted(b"257 \"/srv/a\" is the current directory\r\n"), Some(b"/srv/a".to_vec()));
        assert_eq!(quoted(b"257 \"/a\"\"b\"\r\n"), Some(b"/a\"b".to_vec()));
        assert_eq!(quoted(b"257 \"/\"\r\n"), Some(b"/".to_vec()));
        assert_eq!(quoted(b"257 /srv/a\r\n"), None);
    }
}
