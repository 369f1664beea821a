//! `dropbridge run`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use dropbridge_port::{ErrorKind, PortError};

use super::output::{counted, size};
use super::{Answer, Output};
use crate::config::{self, Settings, settings::LogSettings};
use crate::http::{self, Endpoints, Listening};
use crate::runner::{self, Hangups, Relays, RunOptions, RunSummary};
use crate::stop::Backoff;
use crate::traces::Traces;
use crate::wiring::{Bridge, Instruments};

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dropbridge run\n  dropbridge run --until-idle   take what is there, then end: exit code 1 if \
    anything was held back\n  dropbridge run --standby      take over when the running instance falls silent\n  \
    dropbridge run --http 127.0.0.1:9847   answer there: /metrics, /healthz, /readyz, /status"
)]
pub(super) struct RunArguments {
    /// Take what is there, and end.
    #[arg(long, conflicts_with = "standby")]
    until_idle: bool,
    /// Answer over HTTP here, whatever the configuration says: /metrics, /healthz, /readyz, /status.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "until_idle")]
    http: Option<SocketAddr>,
    /// Wait until the instance that runs gives up or falls silent, then take over.
    #[arg(long)]
    standby: bool,
}

/// Runs it.
///
/// # Errors
/// Of the configuration and the log.
pub(super) async fn run(config: &Path, arguments: &RunArguments, output: Output) -> anyhow::Result<Answer> {
    // Before the configuration is read: whoever changes it from now on is heard.
    let hangups = if arguments.until_idle { None } else { Some(Hangups::listen()?) };
    let settings = config::load(config)?;
    let mut instruments = Instruments::new(&settings);
    let traces = settings.traces.as_ref().map(|to| Traces::start(&to.authority, &to.path, &settings.name));
    instruments.traces.clone_from(&traces);
    // Before the log is there: that it is away has to be seen.
    let _listening = listen(&settings, &instruments, arguments).await?;
    let bridge = open(&settings, &instruments, arguments)?;
    let answer = run_opened(bridge, arguments, hangups, output).await;
    if let Some(traces) = traces {
        traces.flush().await;
    }
    answer
}

async fn listen(
    settings: &Settings,
    instruments: &Instruments,
    arguments: &RunArguments,
) -> anyhow::Result<Option<Listening>> {
    let stated = settings.http.as_ref().map(|http| (http.listen, http.stated.as_str()));
    let wanted = arguments.http.map(|address| (address, "--http")).or(stated);
    let Some((address, stated)) = wanted.filter(|_| !arguments.until_idle) else { return Ok(None) };
    let endpoints = Endpoints {
        bridge: settings.name.clone(),
        health: Arc::clone(&instruments.health),
        metrics: Arc::clone(&instruments.metrics),
    };
    http::listen(address, stated, endpoints).await.map(Some)
}

/// Opens the bridge. Whoever serves waits for a log that is away, as a service that is started before its broker has to.
fn open(settings: &Settings, instruments: &Instruments, arguments: &RunArguments) -> anyhow::Result<Arc<Bridge>> {
    let mut backoff = Backoff::default();
    // A broker may take its time to answer, or be away: files are passed on all the same.
    let relays = if arguments.until_idle || arguments.standby { None } else { relays_alone(settings, instruments)? };
    loop {
        match Bridge::open_with(settings.clone(), instruments.clone()) {
            Err(error) if !arguments.until_idle && is_transient(&error) => {
                instruments.health.log_failed(ErrorKind::Transient.as_str(), &format!("{error:#}"), true);
                tracing::error!("the event log is away, trying again: {error:#}");
                std::thread::sleep(backoff.pause());
            }
            answer => {
                // The run begins its own: journals belong to one at a time.
                drop(relays.map(Relays::end));
                return answer.map(Arc::new);
            }
        }
    }
}

/// The relays without the event log; `None` where there is no interposed feed, or the log is a file.
fn relays_alone(settings: &Settings, instruments: &Instruments) -> anyhow::Result<Option<Relays>> {
    let is_remote = matches!(settings.log, LogSettings::Kafka { .. });
    if !is_remote || settings.feeds.iter().all(|feed| feed.relay.is_none()) {
        return Ok(None);
    }
    let bridge = Bridge::without_log_with(settings.clone(), instruments.clone())?;
    Ok(Some(Relays::start(&Arc::new(bridge), false)?))
}

fn is_transient(error: &anyhow::Error) -> bool {
    error.downcast_ref::<PortError>().is_some_and(|error| error.kind == ErrorKind::Transient)
}

async fn run_opened(
    bridge: Arc<Bridge>,
    arguments: &RunArguments,
    hangups: Option<Hangups>,
    output: Output,
) -> anyhow::Result<Answer> {
    let options = RunOptions { until_idle: arguments.until_idle, standby: arguments.standby, ..RunOptions::default() };
    let summary = runner::run_obeying(bridge, options, hangups).await?;
    show(&summary, output)?;
    let of_feeds = summary.feeds.iter().filter_map(|feed| Some(format!("{}: {}", feed.feed, feed.error.as_ref()?)));
    let of_relays = summary.relays.iter();
    let of_relays = of_relays.filter_map(|relay| Some(format!("relay of {}: {}", relay.feed, relay.trouble.as_ref()?)));
    let renderings = summary.renderings.iter();
    let of_renderings = renderings.filter_map(|one| Some(format!("{}: {}", one.rendering, one.error.as_ref()?)));
    let errors: Vec<String> = of_feeds.chain(of_relays).chain(of_renderings).collect();
    if summary.has_errors() {
        anyhow::bail!("{}", errors.join("\n       "));
    }
    Ok(if arguments.until_idle && summary.has_findings() { Answer::No } else { Answer::Fine })
}

/// Shows what a run came to.
///
/// # Errors
/// When standard output is closed.
pub(super) fn show(summary: &RunSummary, output: Output) -> anyhow::Result<()> {
    output.object(summary)?;
    let tally = &summary.tally;
    output.line(format!(
        "published {} from {} ({})",
        counted(tally.events, "event"),
        counted(tally.published, "file"),
        size(tally.bytes)
    ))?;
    for (count, text) in [
        (tally.repeats, "came again with the same bytes: recorded, not published"),
        (tally.quarantined, "quarantined: `dropbridge quarantine list` says why"),
        (tally.held, "held for a person: `dropbridge quarantine list` says why"),
        (tally.vanished, "disappeared before they could be read"),
        (tally.abandoned, "could not be finished"),
        (tally.discarded, "discarded"),
        (tally.echoes, "are deliveries of ours that came back: recorded, not published"),
        (tally.equal_to_delivery, "equal to a delivery of ours: the legacy producer wrote the same"),
    ] {
        if count > 0 {
            output.line(format!("{count} {text}"))?;
        }
    }
    for feed in &summary.feeds {
        if let Some(by) = &feed.paused {
            output.line(format!("{}: paused {by}: `dropbridge feed list` says why", feed.feed))?;
        }
        for (path, missing) in &feed.waiting {
            output.line(format!("{}: {path} waits for {missing}", feed.feed))?;
        }
    }
    for relay in &summary.relays {
        for (path, reason) in &relay.held {
            output.line(format!("relay of {}: {path} is held: {reason}", relay.feed))?;
        }
        for (path, reason) in relay.waiting.iter().filter(|(path, _)| !relay.held.iter().any(|(held, _)| held == path))
        {
            output.line(format!("relay of {}: {path} waits for {reason}", relay.feed))?;
        }
    }
    let delivered: u64 = summary.renderings.iter().map(|rendering| rendering.delivered).sum();
    if delivered > 0 {
        output.line(format!("delivered {}", counted(delivered, "file")))?;
    }
    for rendering in &summary.renderings {
        if let Some(what) = &rendering.waiting {
            output.line(format!("{}: {what}", rendering.rendering))?;
        }
    }
    Ok(())
}
