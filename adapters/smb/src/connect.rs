//! From settings to a session: the way there, logging in, the share.

use std::sync::atomic::{AtomicBool, Ordering};

use dropbridge_port::{ErrorKind, PortError, Result};
use dropbridge_remote::unanswered_login;
use smb2::client::Connection;
use smb2::types::status::NtStatus;
use smb2::types::{Command, TreeId};
use smb2::{Error, Tree};

use crate::session::{Session, runtime};
use crate::settings::SmbSettings;

const OPERATION: &str = "connect";

/// What is said of a share that is only given away encrypted.
const ENCRYPTED: &str = "the share is only given away over encrypted connections, which are not supported";
const MOUNT: &str = "mount the share (`mount -t cifs -o seal …`) and state its path as the address";

/// Opens a session. Blocks.
///
/// # Errors
/// `Transient` when the server cannot be reached, `Refused` when it does not let us in, does not answer the login, or has
/// no such share.
pub(crate) fn connect(settings: &SmbSettings) -> Result<Session> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let stated = settings.clone();
    runtime()?.spawn(async move {
        let awaits_login = AtomicBool::new(false);
        let within = tokio::time::timeout(stated.connect_timeout, log_in(&stated, &awaits_login)).await;
        let opened = within.unwrap_or_else(|_| Err(unless_login(&stated, &awaits_login, too_late(&stated))));
        // Whoever asked waits for this.
        let _taken = sender.send(opened);
    });
    let (connection, tree) = receiver.recv().unwrap_or_else(|_| Err(trouble(settings, "the attempt was given up")))?;
    Ok(Session::new(settings.address(), connection, tree, settings.stall_timeout))
}

fn trouble(settings: &SmbSettings, message: impl std::fmt::Display) -> PortError {
    PortError::new(ErrorKind::Transient, OPERATION, settings.address(), message)
        .with_hint("it is tried again by itself; if it lasts, look at the server and the way to it")
}

fn refused(settings: &SmbSettings, message: impl std::fmt::Display, hint: impl Into<String>) -> PortError {
    PortError::new(ErrorKind::Refused, OPERATION, settings.address(), message).with_hint(hint)
}

/// What ends a connection while the login is to be answered may be the server's refusal of it.
fn unless_login(settings: &SmbSettings, awaits_login: &AtomicBool, error: PortError) -> PortError {
    if error.kind == ErrorKind::Transient && awaits_login.load(Ordering::Relaxed) {
        return unanswered_login(&error.subject, &settings.name, &error.message);
    }
    error
}

fn too_late(settings: &SmbSettings) -> PortError {
    let waited = settings.connect_timeout.as_millis();
    trouble(settings, format!("no answer within {waited} ms (connect_timeout_ms)"))
        .with_hint("is this the right host and port, and does a firewall let it through?")
}

/// `awaits_login` is set as long as the login was sent and not answered.
async fn log_in(settings: &SmbSettings, awaits_login: &AtomicBool) -> Result<(Connection, TreeId)> {
    let host = if settings.host.contains(':') { format!("[{}]", settings.host) } else { settings.host.clone() };
    let to = format!("{host}:{}", settings.port);
    let mut connection = Connection::connect(&to, settings.connect_timeout).await.map_err(|error| {
        trouble(settings, error).with_hint("is this the right host and port, and does the server run?")
    })?;
    // How long an answer may take is judged by who waits for it; nothing is asked behind its back.
    connection.set_response_timeout(None);
    connection.set_keepalive(None);
    connection.set_send_timeout(Some(settings.stall_timeout));
    connection.set_credit_wait_timeout(settings.stall_timeout);
    connection.negotiate().await.map_err(|error| not_agreed(settings, &error))?;
    let password = settings.password.reveal();
    awaits_login.store(true, Ordering::Relaxed);
    smb2::Session::setup(&mut connection, &settings.user, password, &settings.domain)
        .await
        .map_err(|error| unless_login(settings, awaits_login, not_let_in(settings, &error)))?;
    awaits_login.store(false, Ordering::Relaxed);
    let tree = Tree::connect(&mut connection, &settings.share).await.map_err(|error| no_share(settings, &error))?;
    if tree.encrypt_data {
        return Err(refused(settings, ENCRYPTED, MOUNT));
    }
    if tree.is_dfs {
        let message = "the share is the root of a DFS namespace, which is not followed";
        return Err(refused(settings, message, "name the server and the share behind it, or mount the share"));
    }
    Ok((connection, tree.tree_id))
}

fn not_agreed(settings: &SmbSettings, error: &Error) -> PortError {
    match error {
        Error::Protocol { .. } | Error::InvalidData { .. } => {
            let message = format!("no version of the protocol in common: {error}");
            refused(
                settings,
                message,
                "SMB 2.0.2 to 3.1.1 are spoken, SMB 1 is not: does the server allow one of them?",
            )
        }
        _ => trouble(settings, error),
    }
}

fn not_let_in(settings: &SmbSettings, error: &Error) -> PortError {
    let user = settings.account('\\');
    let name = &settings.name;
    let said =
        |what: &str, hint: String| refused(settings, format!("the server does not let user {user} in: {what}"), hint);
    match error {
        Error::GuestSessionRefused { .. } => said(
            "it takes them for a guest",
            format!("is the user right? A server that maps unknown users to guests says so of those it does not know; see [share.{name}]"),
        ),
        Error::Protocol { status, command: Command::SessionSetup } => match *status {
            NtStatus::LOGON_FAILURE => said(
                "user or password is wrong (STATUS_LOGON_FAILURE)",
                format!(
                    "is the password of [share.{name}] right, and the domain (smb://DOMAIN;USER@…)? Only NTLMv2 is spoken, \
                     no Kerberos: a server that refuses NTLM refuses everybody here"
                ),
            ),
            NtStatus::ACCOUNT_DISABLED | NtStatus::ACCOUNT_EXPIRED | NtStatus::ACCOUNT_LOCKED_OUT => {
                said(&format!("the account is locked, disabled or expired ({status})"), "ask the server's owner".to_owned())
            }
            NtStatus::PASSWORD_EXPIRED | NtStatus::PASSWORD_MUST_CHANGE => said(
                &format!("the password has to be changed ({status})"),
                format!("change it, and then what [share.{name}] states"),
            ),
            NtStatus::ACCESS_DENIED => said(
                "permission denied (STATUS_ACCESS_DENIED)",
                "does the whole server demand encryption, or forbid this user to log in over the network? Encryption is not \
                 supported: mount the share then"
                    .to_owned(),
            ),
            other => said(&other.to_string(), "ask the server's owner".to_owned()),
        },
        Error::Auth { .. } | Error::SignatureInvalid { .. } => {
            said(&error.to_string(), "is this the server that is meant? Its proof of identity does not hold".to_owned())
        }
        _ => trouble(settings, error),
    }
}

fn no_share(settings: &SmbSettings, error: &Error) -> PortError {
    let share = &settings.share;
    match error {
        Error::Protocol { status: NtStatus::BAD_NETWORK_NAME, .. } => {
            let hint = format!("which there are, `smbclient -L {}` with the same user tells", settings.host);
            refused(settings, format!("the server has no share `{share}` (STATUS_BAD_NETWORK_NAME)"), hint)
        }
        Error::Protocol { status: NtStatus::ACCESS_DENIED, .. } => {
            let user = settings.account('\\');
            let message = format!("the server does not give user {user} the share `{share}` (STATUS_ACCESS_DENIED)");
            let hint = format!(
                "ask the server's owner whether the user may use it, and whether it demands encryption, which is not \
                 supported: {MOUNT}"
            );
            refused(settings, message, hint)
        }
        Error::ShareRedirected { .. } => {
            refused(settings, error, "name the cluster node that has the share now, or mount the share")
        }
        _ => trouble(settings, error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dropbridge_port::Secret;

    use super::*;

    #[test]
    fn a_login_that_is_not_answered_is_not_tried_again_soon() {
        let settings = SmbSettings {
            name: "nas".to_owned(),
            host: "server".to_owned(),
            port: 445,
            share: "files".to_owned(),
            domain: String::new(),
            user: "batch".to_owned(),
            password: Secret::new("s3cret"),
            connect_timeout: Duration::from_secs(1),
            stall_timeout: Duration::from_secs(1),
            parallel_transfers: 1,
            exclusive_rename: false,
        };
        let ended = |awaits_login| unless_login(&settings, &AtomicBool::new(awaits_login), too_late(&settings));
        assert_eq!(ended(false).kind, ErrorKind::Transient);
        let unanswered = ended(true);
        assert_eq!(unanswered.kind, ErrorKind::Refused);
        assert!(unanswered.to_string().contains("no answer within 1000 ms"), "{unanswered}");
        assert!(unanswered.to_string().contains("[share.nas]"), "{unanswered}");
    }
}
