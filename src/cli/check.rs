//! `dropbridge check`.

use std::path::Path;

use clap::Args;
use dropbridge_port::{ErrorKind, ListRequest, Outbox, OutboxIdentity, PortError, TopicSpec, TopicState};
use serde::Serialize;

use super::output::counted;
use super::{Answer, Output};
use crate::capture::selection::Named;
use crate::config;
use crate::config::settings::LogSettings;
use crate::cutover::{Authority, CutoverJournal};
use crate::inbound::slot::verify_genesis;
use crate::ledger::control::Genesis;
use crate::ledger::replay::read_control;
use crate::outbound::plan::{PlanSource, RenderingPlan};
use crate::relay::{self, journal::Journal};
use crate::runner::read_witness;
use crate::wiring::Bridge;

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  dropbridge check --config /etc/dropbridge/bridge.toml\n\n\
    Exit code 0: ready to run. 1: something is wrong, all of it is listed. 2: the configuration cannot be used.")]
pub(super) struct CheckArguments {}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    subject: String,
    ok: bool,
    message: String,
}

/// Runs it.
///
/// # Errors
/// Configuration that cannot be used.
pub(super) fn run(config: &Path, _arguments: &CheckArguments, output: Output) -> anyhow::Result<Answer> {
    let settings = config::load(config)?;
    let mut findings = Findings::default();
    findings.fine("configuration", format!("{}: {}", config.display(), counted(settings.feeds.len() as u64, "feed")));
    // Opening an embedded log would make it, and a check writes nothing.
    let missing = match &settings.log {
        LogSettings::Embedded { path } if !path.exists() => Some(path.display().to_string()),
        _ => None,
    };
    let opened = if missing.is_some() { Bridge::without_log(settings) } else { Bridge::open(settings) };
    match opened {
        Ok(bridge) => {
            match missing {
                Some(path) => findings.wrong("event log", format!("{path} is not there: `dropbridge init` makes it")),
                None => check_log(&bridge, &mut findings),
            }
            check_store(&bridge, &mut findings);
            for plan in &bridge.feeds {
                check_feed(&bridge, plan, &mut findings);
                check_relay(&bridge, plan, &mut findings);
            }
            for plan in &bridge.renderings {
                check_rendering(&bridge, plan, &mut findings);
            }
        }
        Err(error) => findings.wrong("bridge", format!("{error:#}")),
    }
    let mut rows = Vec::new();
    for finding in &findings.all {
        output.object(finding)?;
        let mark = if finding.ok { "ok" } else { "PROBLEM" };
        rows.push(vec![mark.to_owned(), finding.subject.clone(), finding.message.clone()]);
    }
    output.table(&["", "what", "found"], rows)?;
    let problems = findings.all.iter().filter(|finding| !finding.ok).count();
    output.line(if problems == 0 { "ready to run".to_owned() } else { counted(problems as u64, "problem") })?;
    Ok(if problems == 0 { Answer::Fine } else { Answer::No })
}

#[derive(Default)]
struct Findings {
    all: Vec<Finding>,
}

impl Findings {
    fn fine(&mut self, subject: impl Into<String>, message: impl Into<String>) {
        self.all.push(Finding { subject: subject.into(), ok: true, message: message.into() });
    }

    fn wrong(&mut self, subject: impl Into<String>, message: impl Into<String>) {
        self.all.push(Finding { subject: subject.into(), ok: false, message: message.into() });
    }
}

fn check_log(bridge: &Bridge, findings: &mut Findings) {
    let context = &bridge.context;
    let specs = context.topics.specs();
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let states = match context.log.topics(&names) {
        Ok(states) => states,
        Err(error) => return findings.wrong("event log", error.to_string()),
    };
    findings.fine("event log", context.log.address());
    if states.is_empty() {
        return findings.wrong("topics", "none is there: run `dropbridge init`");
    }
    let mut good = 0;
    for spec in &specs {
        match states.iter().find(|state| state.name == spec.name) {
            None => findings.wrong(&spec.name, "the topic is missing: run `dropbridge init`"),
            Some(state) => match wrong_with(spec, state) {
                Some(problem) => findings.wrong(&spec.name, problem),
                None => good += 1,
            },
        }
    }
    findings.fine("topics", format!("{good} of {} are as they should be", specs.len()));
    check_past(bridge, findings);
}

fn wrong_with(spec: &TopicSpec, state: &TopicState) -> Option<String> {
    if state.partitions != spec.partitions {
        return Some(format!(
            "it has {} partitions, the configuration says {}: changing that moves keys to other partitions",
            state.partitions, spec.partitions
        ));
    }
    if let Some(cleanup) = state.cleanup.as_deref().filter(|cleanup| *cleanup != spec.cleanup.as_str()) {
        return Some(format!(
            "its cleanup.policy is {cleanup}, {} is needed: records would be lost",
            spec.cleanup.as_str()
        ));
    }
    match (spec.replication, state.replication) {
        (Some(wanted), Some(is)) if is < wanted => Some(format!("it has {is} copies, the configuration says {wanted}")),
        _ => None,
    }
}

fn check_past(bridge: &Bridge, findings: &mut Findings) {
    let context = &bridge.context;
    let control = match read_control(&*context.log, &context.topics) {
        Ok(control) => control,
        Err(error) => return findings.wrong("control topic", error.to_string()),
    };
    let witness = read_witness(&bridge.settings.state).unwrap_or_default();
    let genesis = match verify_genesis(&control, witness.as_deref(), context) {
        Ok(genesis) => genesis,
        Err(error) => return findings.wrong("genesis", error.to_string()),
    };
    findings.fine("genesis", format!("{} of {}", genesis.id, genesis.created_at.local()));
    for plan in &bridge.feeds {
        if !control.baselines.contains_key(plan.id()) {
            findings.wrong(plan.id(), "it has no baseline and will not run: `dropbridge init --baseline …`");
        }
    }
    control.cutovers.values().for_each(|journal| check_stage(bridge, journal, findings));
    if let Err(error) = check_ledger(bridge, &genesis, findings) {
        findings.wrong("ledger", error.to_string());
    }
}

/// What the configuration of a department has to have when the new service speaks for some of its dates.
fn check_stage(bridge: &Bridge, journal: &CutoverJournal, findings: &mut Findings) {
    let Some(last) = journal.transitions.last().filter(|last| last.to.authority() == Authority::Candidate) else {
        return;
    };
    let department = &journal.department;
    let since = format!("{department} is {} from {} on", last.to, last.effective);
    if !bridge.settings.gates.contains_key(department) {
        let message = format!("{since}, and its file has no `[cutover]`: its candidate events are not forwarded");
        findings.wrong(department, message);
    }
    let feeds = bridge.feeds.iter().filter(|plan| plan.settings.department == *department);
    for plan in feeds.filter(|plan| plan.settings.relay.is_none()) {
        let message = format!(
            "{since}, and this feed is a tap: the old producer writes into the consumer's directory. State `outbox`"
        );
        findings.wrong(plan.id(), message);
    }
}

fn check_ledger(bridge: &Bridge, genesis: &Genesis, findings: &mut Findings) -> Result<(), PortError> {
    let ledger = bridge.context.look_into_ledger(0, genesis)?;
    let open = ledger.open_drops()?.len();
    findings.fine("ledger", format!("{}, {open} waiting for a person", counted(ledger.count_all(), "drop")));
    for entry in ledger.unfinished()? {
        if !bridge.feeds.iter().any(|plan| plan.id() == entry.feed) {
            let message = format!("`{}` is half published, and its feed is not configured any more", entry.key);
            findings.wrong(&entry.feed, message);
        }
    }
    Ok(())
}

fn check_store(bridge: &Bridge, findings: &mut Findings) {
    let path = &bridge.settings.store.path;
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => findings.wrong("store", format!("{} is no directory", path.display())),
        Ok(_) => match rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
            Ok(()) => findings.fine("store", path.display().to_string()),
            Err(error) => findings.wrong("store", format!("{} cannot be written: {error}", path.display())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            findings.wrong("store", format!("{} is not there: `dropbridge init` makes it", path.display()));
        }
        Err(error) => findings.wrong("store", format!("{}: {error}", path.display())),
    }
}

/// The outbox is there and can be written as far as permission bits tell; its relay has a journal.
fn check_relay(bridge: &Bridge, plan: &crate::inbound::plan::FeedPlan, findings: &mut Findings) {
    let Some(relay) = &plan.settings.relay else { return };
    let subject = format!("{} relay", plan.id());
    let journal = match Journal::look(&relay::directory(&bridge.settings.state), plan.id()) {
        Ok(journal) => Some(journal),
        Err(error) if error.kind == ErrorKind::NotFound => {
            findings.wrong(&subject, "this state directory has no journal of it: `dropbridge init` begins one");
            None
        }
        Err(error) => {
            findings.wrong(&subject, error.to_string());
            None
        }
    };
    let outbox = match bridge.outbox(&relay.outbox) {
        Ok(outbox) => outbox,
        Err(error) => return findings.wrong(&subject, format!("{error:#}")),
    };
    match outbox.look() {
        Ok(()) => {}
        Err(error) => return findings.wrong(&subject, error.to_string()),
    }
    if plan.settings.ready.marker.is_none() && may_replace(&*outbox) {
        return findings.wrong(&subject, needs_marker(&*outbox));
    }
    let pinned = journal.as_ref().and_then(|journal| OutboxIdentity::parse(journal.outbox.as_deref()?));
    match (outbox.identity(), pinned) {
        (Err(error), _) => findings.wrong(&subject, error.to_string()),
        (Ok(found), Some(pinned)) if found != pinned => findings.wrong(
            &subject,
            format!(
                "{}: another directory or file system is here than before; if it is the right one: dropbridge relay \
                 adopt-outbox {}",
                outbox.address(),
                plan.id()
            ),
        ),
        (Ok(_), _) => match journal.map_or(0, |journal| journal.held.len()) {
            0 => findings.fine(&subject, format!("to {}", outbox.address())),
            held => findings.wrong(&subject, format!("{} held: dropbridge relay list", counted(held as u64, "file"))),
        },
    }
}

/// Whether somebody else's file could be replaced. One that is away promises nothing, and its own error says more.
fn may_replace(outbox: &dyn Outbox) -> bool {
    outbox.identity().is_ok() && !outbox.capabilities().publishes_without_replacing
}

fn needs_marker(outbox: &dyn Outbox) -> String {
    format!(
        "{}: this server may let a rename replace a file of the same name; state a marker, so that nobody takes a file \
         before it is complete, or deliver to another server",
        outbox.address()
    )
}

fn check_rendering(bridge: &Bridge, plan: &RenderingPlan, findings: &mut Findings) {
    let outbox = match bridge.rendering_outbox(&plan.settings) {
        Ok(outbox) => outbox,
        Err(error) => return findings.wrong(plan.id(), format!("{error:#}")),
    };
    if plan.settings.marker.is_none() && may_replace(&*outbox) {
        return findings.wrong(plan.id(), needs_marker(&*outbox));
    }
    match outbox.identity() {
        Ok(_) => {
            let what = match plan.source {
                PlanSource::Mirror(_) => "the files of",
                PlanSource::Window(_) => "files like those of",
            };
            findings.fine(plan.id(), format!("{}: gets {what} {}", outbox.address(), plan.feed()));
        }
        Err(error) => findings.wrong(plan.id(), error.to_string()),
    }
}

fn check_feed(bridge: &Bridge, plan: &crate::inbound::plan::FeedPlan, findings: &mut Findings) {
    let share = match bridge.share(&plan.settings) {
        Ok(share) => share,
        Err(error) => return findings.wrong(plan.id(), format!("{error:#}")),
    };
    match share.list(ListRequest { recursive: plan.settings.recursive }) {
        Err(error) => findings.wrong(plan.id(), error.to_string()),
        Ok(listing) => {
            let names = listing.entries.iter().map(|entry| entry.path.file_name());
            let kinds: Vec<Named> = names.map(|name| plan.selection.classify(name)).collect();
            let fitting: Vec<bool> = kinds.iter().map(|kind| matches!(kind, Named::Entry(_))).collect();
            let entries = fitting.iter().filter(|fits| **fits).count();
            // What no pattern fits is never taken: a pattern with a slip of the pen would go unnoticed.
            let foreign: Vec<String> = listing
                .entries
                .iter()
                .zip(&kinds)
                .filter(|(entry, kind)| {
                    let taken = bridge.feeds.iter().any(|other| {
                        other.settings.share == plan.settings.share
                            && other.settings.inbox == plan.settings.inbox
                            && !matches!(other.selection.classify(entry.path.file_name()), Named::Foreign)
                    });
                    matches!(kind, Named::Foreign) && !taken
                })
                .map(|(entry, _)| entry.path.to_string())
                .collect();
            let others = match foreign.as_slice() {
                [] => String::new(),
                [name] => format!("; no feed takes {name}"),
                [name, ..] => format!("; no feed takes {} others, such as {name}", foreign.len()),
            };
            let unreadable =
                listing.entries.iter().zip(fitting).filter(|(_, fits)| *fits).find_map(|(entry, _)| {
                    share.open(&entry.path).err().filter(|error| error.kind == ErrorKind::Refused)
                });
            match unreadable {
                Some(error) => findings.wrong(plan.id(), error.to_string()),
                None => findings.fine(
                    plan.id(),
                    format!("{}: {} of the feed{others}", share.address(), counted(entries as u64, "file")),
                ),
            }
        }
    }
}
