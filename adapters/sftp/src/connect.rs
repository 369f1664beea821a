//! From settings to a session: the way there, the host key, logging in, the subsystem.

use std::borrow::Cow;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dropbridge_port::{ErrorKind, PortError, Result, Secret};
use dropbridge_remote::unanswered_login;
use russh::client::{self, AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::{Channel, ChannelMsg, MethodKind, Preferred, cipher};

use crate::host_key::KnownHost;
use crate::session::{Session, runtime};
use crate::settings::{PrivateKeyFile, SftpSettings};

const OPERATION: &str = "connect";

/// So often something is sent over a connection that nobody uses, so that what stands between does not forget it.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Hardware does AES; a long transfer is bound by this.
const CIPHERS: [cipher::Name; 6] = [
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// As large as an SSH packet may be; the window is what a server may send before it is asked for more.
const PACKET_BYTES: u32 = 65_535;
const WINDOW_BYTES: u32 = 4 << 20;

/// Looks at the server's key when it is shown, and keeps what was said of it.
struct Gatekeeper {
    known: Arc<KnownHost>,
    refused: Arc<Mutex<Option<PortError>>>,
}

impl client::Handler for Gatekeeper {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> std::result::Result<bool, Self::Error> {
        // Certificates are not asked for, so none is shown.
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        match self.known.judge(key) {
            Ok(()) => Ok(true),
            Err(error) => {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Ok(false)
            }
        }
    }
}

/// What a connection came to, before SFTP is spoken.
struct Connected {
    handle: client::Handle<Gatekeeper>,
    channel: Channel<client::Msg>,
    socket: TcpStream,
}

/// How far a login has come that has not succeeded. What ends it then may be the server's refusal: it closes the connection
/// after some failures, or delays its answer. So that is not tried again soon.
#[derive(Default)]
struct Login {
    /// A key or a password was answered with a failure.
    failed: AtomicBool,
    /// A password was sent.
    password_sent: AtomicBool,
}

impl Login {
    /// It succeeded: what comes later has other reasons.
    fn succeed(&self) {
        for flag in [&self.failed, &self.password_sent] {
            flag.store(false, Ordering::Relaxed);
        }
    }

    /// What an attempt means that ended with an error.
    fn judge(&self, settings: &SftpSettings, error: PortError) -> PortError {
        if error.kind != ErrorKind::Transient {
            return error;
        }
        if self.failed.load(Ordering::Relaxed) {
            let refused = not_let_in(settings, &[]);
            let message = format!("{}, and the login ended: {}", refused.message, error.message);
            return PortError { message, ..refused };
        }
        if self.password_sent.load(Ordering::Relaxed) {
            return unanswered_login(&error.subject, &settings.share, &error.message);
        }
        error
    }
}

/// Opens a session. Blocks.
///
/// # Errors
/// `Transient` when the server cannot be reached, `Refused` when it is not the right one or does not let us in, or
/// ends the login, `Configuration` for keys that cannot be used.
pub(crate) fn connect(settings: &SftpSettings) -> Result<Session> {
    let known = Arc::new(KnownHost::of(settings)?);
    let key = settings.private_key.as_ref().map(private_key).transpose()?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let stated = settings.clone();
    runtime()?.spawn(async move {
        let login = Login::default();
        let within = tokio::time::timeout(stated.connect_timeout, log_in(&stated, known, key, &login)).await;
        let connected = within.unwrap_or_else(|_| Err(too_late(&stated))).map_err(|error| login.judge(&stated, error));
        // Whoever asked waits for this.
        let _taken = sender.send(connected);
    });
    let connected = receiver.recv().unwrap_or_else(|_| Err(trouble(settings, "the attempt was given up")))?;
    let Connected { handle, channel, socket } = connected;
    Session::begin(&settings.address(), handle, channel, socket, settings.stall_timeout)
}

fn trouble(settings: &SftpSettings, message: impl std::fmt::Display) -> PortError {
    PortError::new(ErrorKind::Transient, OPERATION, settings.address(), message)
        .with_hint("it is tried again by itself; if it lasts, look at the server and the way to it")
}

fn too_late(settings: &SftpSettings) -> PortError {
    let waited = settings.connect_timeout.as_millis();
    trouble(settings, format!("no answer within {waited} ms (connect_timeout_ms)"))
        .with_hint("is this the right host and port, and does a firewall let it through?")
}

fn private_key(file: &PrivateKeyFile) -> Result<PrivateKey> {
    let passphrase = file.passphrase.as_ref().map(Secret::reveal);
    load_secret_key(&file.path, passphrase).map_err(|error| {
        let hint = match (&error, passphrase) {
            (russh::keys::Error::KeyIsEncrypted, _) => "it is encrypted: state passphrase_file or passphrase_env",
            (russh::keys::Error::IO(_), _) => "name a file that the user who runs dropbridge may read",
            (_, Some(_)) => "is the passphrase right, and the file a private key of OpenSSH or in PEM?",
            _ => "it has to be a private key of OpenSSH or in PEM",
        };
        PortError::new(ErrorKind::Configuration, "read private key", file.path.display().to_string(), error)
            .with_hint(hint)
    })
}

async fn log_in(
    settings: &SftpSettings,
    known: Arc<KnownHost>,
    key: Option<PrivateKey>,
    login: &Login,
) -> Result<Connected> {
    let to = (settings.host.as_str(), settings.port);
    let stream = tokio::net::TcpStream::connect(to).await.map_err(|error| {
        trouble(settings, error).with_hint("is this the right host and port, and does the server run?")
    })?;
    let prepared = stream.set_nodelay(true).and_then(|()| stream.into_std()).and_then(|stream| {
        let socket = stream.try_clone()?;
        Ok((tokio::net::TcpStream::from_std(stream)?, socket))
    });
    let (stream, socket) = prepared.map_err(|error| trouble(settings, error))?;
    let config = Arc::new(config(&known));
    let refused = Arc::default();
    let gatekeeper = Gatekeeper { known, refused: Arc::clone(&refused) };
    let mut handle = client::connect_stream(config, stream, gatekeeper).await.map_err(|error| {
        let refused = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        refused.unwrap_or_else(|| not_agreed(settings, &error))
    })?;
    authenticate(settings, &mut handle, key, login).await?;
    login.succeed();
    let lost = |error: russh::Error| trouble(settings, error);
    let mut channel = handle.channel_open_session().await.map_err(lost)?;
    channel.request_subsystem(true, "sftp").await.map_err(lost)?;
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => return Ok(Connected { handle, channel, socket }),
            Some(ChannelMsg::Failure) => {
                let message = "the server offers no SFTP to this user";
                return Err(PortError::new(ErrorKind::Refused, OPERATION, settings.address(), message)
                    .with_hint("ask its owner to switch the subsystem `sftp` on"));
            }
            None | Some(ChannelMsg::Close) => return Err(trouble(settings, "the server closed the connection")),
            Some(_) => {}
        }
    }
}

fn config(known: &KnownHost) -> client::Config {
    let mut preferred = Preferred { cipher: Cow::Borrowed(&CIPHERS), ..Preferred::DEFAULT };
    let algorithms = known.algorithms();
    if !algorithms.is_empty() {
        // RSA keys are shown with one of several hashes.
        let is_rsa = |algorithm: &Algorithm| matches!(algorithm, Algorithm::Rsa { .. });
        let is_known = |offered: &Algorithm| {
            algorithms.iter().any(|algorithm| algorithm == offered || (is_rsa(algorithm) && is_rsa(offered)))
        };
        preferred.key = Preferred::DEFAULT.key.iter().filter(|offered| is_known(offered)).cloned().collect();
    }
    client::Config {
        preferred,
        window_size: WINDOW_BYTES,
        maximum_packet_size: PACKET_BYTES,
        keepalive_interval: Some(KEEPALIVE),
        nodelay: true,
        ..client::Config::default()
    }
}

fn not_agreed(settings: &SftpSettings, error: &russh::Error) -> PortError {
    match error {
        russh::Error::NoCommonAlgo { .. } => {
            PortError::new(ErrorKind::Refused, OPERATION, settings.address(), error).with_hint(
                "bridge and server have no algorithm in common, or the server has no host key of the known kind: ask its \
                 owner",
            )
        }
        _ => trouble(settings, error),
    }
}

/// What a server said to a key or a password that was not enough.
#[derive(Default)]
struct Left {
    /// What it offers to go on with.
    methods: Vec<MethodKind>,
    /// What it was given was right, and something more is wanted.
    is_partial: bool,
}

impl Left {
    /// Whether the password that was refused, or was not enough, is to be given as the answer to a question too. A server
    /// that takes it both ways has refused it, and would count another failure.
    fn wants_answers(&self) -> bool {
        let offers = |method| self.methods.contains(&method);
        offers(MethodKind::KeyboardInteractive) && (self.is_partial || !offers(MethodKind::Password))
    }
}

/// The key first, then the password, which some servers take only as the answer to a question.
async fn authenticate(
    settings: &SftpSettings,
    handle: &mut client::Handle<Gatekeeper>,
    key: Option<PrivateKey>,
    login: &Login,
) -> Result<()> {
    let lost = |error: russh::Error| trouble(settings, error);
    let mut left = Left::default();
    if let Some(key) = key {
        let hash = rsa_hash(&key, handle).await.map_err(lost)?;
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        let answer = handle.authenticate_publickey(&settings.user, key).await.map_err(lost)?;
        match what_is_left(settings, handle, answer, login)? {
            None => return Ok(()),
            Some(more) => left = more,
        }
    }
    if let Some(password) = &settings.password {
        login.password_sent.store(true, Ordering::Relaxed);
        let answer = handle.authenticate_password(&settings.user, password.reveal()).await.map_err(lost)?;
        match what_is_left(settings, handle, answer, login)? {
            None => return Ok(()),
            Some(more) => left = more,
        }
        if left.wants_answers() && answer_questions(settings, handle, password.reveal()).await.map_err(lost)? {
            return Ok(());
        }
    }
    Err(not_let_in(settings, &left.methods))
}

/// What is left to do after an answer; nothing once we are in.
fn what_is_left(
    settings: &SftpSettings,
    handle: &client::Handle<Gatekeeper>,
    answer: AuthResult,
    login: &Login,
) -> Result<Option<Left>> {
    let AuthResult::Failure { remaining_methods, partial_success } = answer else { return Ok(None) };
    // A connection that is lost in the middle of it looks like a refusal.
    if remaining_methods.is_empty() && handle.is_closed() {
        return Err(trouble(settings, "the connection was lost while logging in"));
    }
    if !partial_success {
        login.failed.store(true, Ordering::Relaxed);
    }
    Ok(Some(Left { methods: remaining_methods.to_vec(), is_partial: partial_success }))
}

async fn rsa_hash(
    key: &PrivateKey,
    handle: &client::Handle<Gatekeeper>,
) -> std::result::Result<Option<HashAlg>, russh::Error> {
    if !matches!(key.algorithm(), Algorithm::Rsa { .. }) {
        return Ok(None);
    }
    // SHA-1 is for servers that say they know nothing else.
    Ok(handle.best_supported_rsa_hash().await?.unwrap_or(Some(HashAlg::Sha256)))
}

/// Answers each question with the password, as long as a question is a single one that is not to be seen.
async fn answer_questions(
    settings: &SftpSettings,
    handle: &mut client::Handle<Gatekeeper>,
    password: &str,
) -> std::result::Result<bool, russh::Error> {
    let mut answer = handle.authenticate_keyboard_interactive_start(&settings.user, None).await?;
    let mut answered = false;
    loop {
        let answers = match answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => match prompts.as_slice() {
                [] => Vec::new(),
                [prompt] if !prompt.echo && !answered => {
                    answered = true;
                    vec![password.to_owned()]
                }
                _ => return Ok(false),
            },
        };
        answer = handle.authenticate_keyboard_interactive_respond(answers).await?;
    }
}

fn not_let_in(settings: &SftpSettings, left: &[MethodKind]) -> PortError {
    let tried = match (&settings.private_key, &settings.password) {
        (Some(_), Some(_)) => "private key and password",
        (Some(_), None) => "the private key",
        _ => "the password",
    };
    let offered: Vec<&str> = left.iter().map(<&str>::from).collect();
    let message = format!("the server does not let user `{}` in by {tried}", settings.user);
    let offers = if offered.is_empty() { String::new() } else { format!("; the server offers {}", offered.join(", ")) };
    PortError::new(ErrorKind::Refused, OPERATION, settings.address(), message).with_hint(format!(
        "correct user, password or key in [share.{}]{offers}; it is tried seldom, so that the account is not locked",
        settings.share
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_given_in_two_ways_only_where_the_first_could_not_be_refused() {
        let wants = |methods: &[MethodKind], is_partial| Left { methods: methods.to_vec(), is_partial }.wants_answers();
        let (password, question) = (MethodKind::Password, MethodKind::KeyboardInteractive);
        assert!(wants(&[MethodKind::PublicKey, question], false));
        assert!(!wants(&[password, question], false));
        assert!(wants(&[password, question], true));
        assert!(!wants(&[password], true));
    }
}
