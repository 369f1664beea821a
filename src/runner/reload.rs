//! Reading the configuration again while the bridge runs: it is taken whole, or refused whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{self, Problems};
use crate::stop::Stop;
use crate::wiring::Bridge;

/// Requests to read the configuration again, SIGHUP. Listened to before the configuration is read for the first time,
/// so that none is missed, and none ends the process.
pub struct Hangups(Signal);

impl Hangups {
    /// Begins to listen.
    ///
    /// # Errors
    /// Of the system.
    pub fn listen() -> std::io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Reads the configuration again at each request; requests that come while it is read are one.
    pub(super) async fn obey(mut self, configured: Arc<Configured>) {
        while self.0.recv().await.is_some() {
            let configured = Arc::clone(&configured);
            // Files and the log are asked, which may take their time.
            if let Err(error) = tokio::task::spawn_blocking(move || configured.read_again()).await {
                tracing::error!(%error, "reading the configuration again failed: the one before goes on");
            }
        }
    }
}

/// The bridge under the newest configuration that was accepted.
pub(super) struct Configured {
    newest: Mutex<(Arc<Bridge>, Stop)>,
}

impl Configured {
    pub(super) fn new(bridge: Arc<Bridge>) -> Self {
        Self { newest: Mutex::new((bridge, Stop::new())) }
    }

    fn lock(&self) -> MutexGuard<'_, (Arc<Bridge>, Stop)> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest, and a flag that is raised when there is a newer one.
    pub(super) fn newest(&self) -> (Arc<Bridge>, Stop) {
        self.lock().clone()
    }

    fn read_again(&self) {
        let (current, superseded) = self.newest();
        let source = current.settings.source.display().to_string();
        match next(&current) {
            Ok(None) => tracing::info!(file = source, "the configuration was read again: nothing has changed"),
            Ok(Some(next)) => {
                let changes = changes(&current, &next);
                next.supersede(&current);
                *self.lock() = (Arc::new(next), Stop::new());
                superseded.raise();
                tracing::info!(
                    file = source,
                    "the configuration was read again: {changes}; it takes effect when the files on their way are done"
                );
            }
            Err(error) => {
                for problem in error.downcast_ref::<Problems>().map(Problems::as_slice).unwrap_or_default() {
                    tracing::error!("the configuration is wrong: {problem}");
                }
                let why = if error.is::<Problems>() { "see above".to_owned() } else { format!("{error:#}") };
                tracing::error!(file = source, "the new configuration is refused, the one before goes on: {why}");
            }
        }
    }
}

/// The bridge under what the files say now; `None`: as before.
fn next(current: &Bridge) -> anyhow::Result<Option<Bridge>> {
    let settings = config::load(&current.settings.source)?;
    // Every setting, layout and schema is in this text. It is compared, and shown to nobody.
    if format!("{settings:?}") == format!("{:?}", current.settings) {
        return Ok(None);
    }
    let next = current.reconfigured(settings)?;
    make_new_topics(current, &next)?;
    Ok(Some(next))
}

/// Topics that the new configuration alone names.
fn make_new_topics(current: &Bridge, next: &Bridge) -> anyhow::Result<()> {
    let known = current.context.topics.specs();
    let mut new = next.context.topics.specs();
    new.retain(|spec| !known.iter().any(|known| known.name == spec.name));
    if new.is_empty() {
        return Ok(());
    }
    let made = next.context.log.create_topics(&new);
    Ok(made.map_err(|error| error.with_hint("`dropbridge init` makes topics; then send SIGHUP again"))?)
}

/// What is different, in a few words.
fn changes(current: &Bridge, next: &Bridge) -> String {
    let (before, after) = (current.plans(), next.plans());
    let mut words = Vec::new();
    let mut tell = |what: &str, mut feeds: Vec<&str>| {
        if !feeds.is_empty() {
            feeds.sort_unstable();
            words.push(format!("{what} {}", feeds.join(", ")));
        }
    };
    tell("new:", after.keys().filter(|id| !before.contains_key(*id)).map(String::as_str).collect());
    tell("gone:", before.keys().filter(|id| !after.contains_key(*id)).map(String::as_str).collect());
    let is_changed = |id: &&String| {
        let (Some(one), Some(other)) = (before.get(*id), after.get(*id)) else { return false };
        one.digest != other.digest || format!("{:?}", one.settings) != format!("{:?}", other.settings)
    };
    tell("changed:", after.keys().filter(is_changed).map(String::as_str).collect());
    if words.is_empty() { "no feed is concerned".to_owned() } else { words.join("; ") }
}
