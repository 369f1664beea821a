//! The one place that names concrete adapters: settings become a bridge.

mod shares;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, anyhow};
use dropbridge_cache::SqliteCaches;
use dropbridge_kafka::{KafkaLog, KafkaSettings};
use dropbridge_port::{Clearing, Disposal, EventLog, Outbox, Share};
use dropbridge_sqlite::SqliteLog;

use crate::capture::Store;
use crate::clock::{Clock, SystemClock};
use crate::config::settings::{FeedSettings, LogSettings, OutboxSettings, RenderingKind, RenderingSettings, Settings};
use crate::domain::policy::Afterwards;
use crate::health::Health;
use crate::inbound::arrivals::Arrivals;
use crate::inbound::plan::FeedPlan;
use crate::inbound::request::Plans;
use crate::inbound::slot::Context;
use crate::ledger::{DeliveryIndex, LedgerIndex, Topics};
use crate::mapping::EventSchema;
use crate::metrics::Metrics;
use crate::outbound::plan::{PlanSource, RenderingPlan};
use crate::outbound::window::plan::WindowPlan;
use crate::stop::Stop;
use crate::traces::Traces;

use self::shares::{Place, Servers};

/// The directory of the ledger's cache, in the state directory.
const LEDGER_CACHE: &str = "ledger-cache";

/// Everything a command works with.
pub struct Bridge {
    /// As configured.
    pub settings: Arc<Settings>,
    /// Log, topics, ledger, clocks.
    pub context: Context,
    /// The feeds, in the order of the configuration.
    pub feeds: Vec<Arc<FeedPlan>>,
    /// The renderings, in the order of the configuration.
    pub renderings: Vec<Arc<RenderingPlan>>,
    servers: Servers,
}

impl Bridge {
    /// Connects the log and compiles the feeds. Nothing is written but the directory and file of an embedded log.
    ///
    /// # Errors
    /// What does not work, with what to do about it.
    pub fn open(settings: Settings) -> anyhow::Result<Self> {
        let instruments = Instruments::new(&settings);
        Self::open_with(settings, instruments)
    }

    /// The same with instruments that are looked at already, while the log may still be away.
    ///
    /// # Errors
    /// As for [`Bridge::open`].
    pub fn open_with(settings: Settings, instruments: Instruments) -> anyhow::Result<Self> {
        let log = open_log(&settings.log)?;
        instruments.health.set_log(log.address());
        Self::over(settings, log, instruments)
    }

    /// The same without its log, for looking at everything else.
    ///
    /// # Errors
    /// As for [`Bridge::open`].
    pub fn without_log(settings: Settings) -> anyhow::Result<Self> {
        let instruments = Instruments::new(&settings);
        Self::without_log_with(settings, instruments)
    }

    /// The same with instruments that are looked at already.
    ///
    /// # Errors
    /// As for [`Bridge::open`].
    pub fn without_log_with(settings: Settings, instruments: Instruments) -> anyhow::Result<Self> {
        Self::over(settings, Arc::new(SqliteLog::in_memory()?), instruments)
    }

    fn over(settings: Settings, log: Arc<dyn EventLog>, instruments: Instruments) -> anyhow::Result<Self> {
        let feeds = compile_feeds(&settings)?;
        instruments.declare(&settings);
        let Instruments { clock, metrics, health, traces } = instruments;
        let renderings = compile_renderings(&settings, &feeds)?;
        let context = Context {
            bridge: settings.name.clone(),
            log,
            topics: Arc::new(Topics::new(&settings)),
            ledger: Arc::new(Mutex::new(LedgerIndex::default())),
            clock,
            deliveries: Arc::new(Mutex::new(DeliveryIndex::default())),
            caches: Arc::new(SqliteCaches::new(settings.state.join(LEDGER_CACHE))),
            arrivals: Arc::new(Arrivals::new(&settings)),
            authorities: Arc::default(),
            forwarding: Arc::default(),
            metrics,
            traces,
            health,
            stop: Stop::new(),
            takeover_after: settings.takeover_after,
        };
        context.authorities.follow(settings.gates.keys());
        let servers = Servers::default();
        Ok(Self { settings: Arc::new(settings), context, feeds, renderings, servers })
    }

    /// The same bridge under other settings, over the same log, ledger and clocks.
    ///
    /// # Errors
    /// What cannot change while the bridge runs, each with its key; feeds that cannot be compiled.
    pub fn reconfigured(&self, settings: Settings) -> anyhow::Result<Self> {
        let fixed = fixed_changes(&self.settings, &settings);
        if !fixed.is_empty() {
            let file = settings.source.display();
            let lines = fixed.join("; ");
            return Err(anyhow!("{file}: {lines}. This cannot change while the bridge runs: restart it"));
        }
        let feeds = compile_feeds(&settings)?;
        let renderings = compile_renderings(&settings, &feeds)?;
        let mut context = self.context.clone();
        context.topics = Arc::new(Topics::new(&settings));
        context.arrivals = Arc::new(Arrivals::new(&settings));
        context.takeover_after = settings.takeover_after;
        let servers = self.servers.clone();
        Ok(Self { settings: Arc::new(settings), context, feeds, renderings, servers })
    }

    /// Says to those who watch the process that this bridge has come in the place of another.
    pub fn supersede(&self, before: &Self) {
        let Context { clock, metrics, health, traces, .. } = self.context.clone();
        let feeds = self.plans();
        self.context.authorities.follow(self.settings.gates.keys());
        for gone in before.settings.feeds.iter().filter(|feed| !feeds.contains_key(&feed.id)) {
            health.forget_feed(&gone.id);
        }
        let is_gone = |id: &str| self.renderings.iter().all(|plan| plan.id() != id);
        for gone in before.renderings.iter().filter(|plan| is_gone(plan.id())) {
            health.forget_rendering(gone.id());
        }
        Instruments { clock, metrics, health, traces }.declare(&self.settings);
    }

    /// Feeds by id.
    #[must_use]
    pub fn plans(&self) -> Plans {
        self.feeds.iter().map(|plan| (plan.id().to_owned(), Arc::clone(plan))).collect()
    }

    /// Renderings of a department that roll events into files.
    #[must_use]
    pub fn windows_of(&self, department: &str) -> Vec<String> {
        let is_window = |plan: &&Arc<RenderingPlan>| {
            matches!(plan.source, PlanSource::Window(_)) && plan.settings.department == department
        };
        self.renderings.iter().filter(is_window).map(|plan| plan.id().to_owned()).collect()
    }

    /// Whether candidate events of a department are forwarded: it states `[cutover]`, and the topics are there.
    ///
    /// # Errors
    /// Of the log.
    pub fn forwards(&self, department: &str) -> dropbridge_port::Result<bool> {
        let candidates = self.context.topics.candidates();
        let names: Vec<&str> = candidates.iter().map(String::as_str).collect();
        Ok(self.settings.gates.contains_key(department)
            && !names.is_empty()
            && self.context.log.topics(&names)?.len() == names.len())
    }

    /// The share of a feed, rooted at its inbox.
    ///
    /// # Errors
    /// Of the adapter.
    pub fn share(&self, feed: &FeedSettings) -> anyhow::Result<Arc<dyn Share>> {
        self.servers.share(&self.place(&feed.share, &feed.inbox)?)
    }

    /// An outbox of a share that can be written to.
    ///
    /// # Errors
    /// Of the adapter.
    pub fn outbox(&self, settings: &OutboxSettings) -> anyhow::Result<Arc<dyn Outbox>> {
        self.servers.outbox(&self.place(&settings.share, &settings.directory)?, settings.staging.as_deref())
    }

    /// What takes files out of a feed's inbox; `None` where they stay.
    ///
    /// # Errors
    /// Of the adapter.
    pub fn clearing(&self, feed: &FeedSettings) -> anyhow::Result<Option<Arc<dyn Clearing>>> {
        let disposal = match feed.relay.as_ref().map_or(&feed.after, |relay| &relay.after) {
            Afterwards::Leave => return Ok(None),
            Afterwards::Delete => Disposal::Delete,
            Afterwards::Move(directory) => Disposal::Move(directory.clone()),
            Afterwards::Rename(suffix) => Disposal::Rename(suffix.clone()),
        };
        Ok(Some(self.servers.clearing(&self.place(&feed.share, &feed.inbox)?, &disposal)?))
    }

    fn place<'a>(&'a self, share: &'a str, directory: &'a str) -> anyhow::Result<Place<'a>> {
        let settings = self.settings.shares.get(share).ok_or_else(|| anyhow!("no share `{share}`"))?;
        Ok(Place { share, settings, directory })
    }

    /// The outbox of a rendering. It is not touched yet, so it need not be there.
    ///
    /// # Errors
    /// Of the adapter.
    pub fn rendering_outbox(&self, rendering: &RenderingSettings) -> anyhow::Result<Arc<dyn Outbox>> {
        self.servers.outbox(&self.place(&rendering.share, &rendering.outbox)?, rendering.staging.as_deref())
    }

    /// The store; its directories are made where they are missing.
    ///
    /// # Errors
    /// Of the file system.
    pub fn store(&self) -> anyhow::Result<Arc<Store>> {
        Ok(Arc::new(Store::open(&self.settings.store.path, self.settings.store.options)?))
    }
}

/// The clocks, and what is said of the process while it runs. They are there before the log is.
#[derive(Clone)]
pub struct Instruments {
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// How everything stands.
    pub health: Arc<Health>,
    /// Where spans go; only a bridge that runs has it.
    pub traces: Option<Arc<Traces>>,
}

impl Instruments {
    /// Of a process that begins now.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let metrics = Metrics::new();
        let health = Health::new(Arc::clone(&clock), Arc::clone(&metrics), settings.takeover_after);
        Self { clock, metrics, health, traces: None }
    }

    fn declare(&self, settings: &Settings) {
        self.metrics.store.set_quota(settings.store.options.quota);
        for feed in &settings.feeds {
            self.health.declare_feed(&feed.id, &feed.department);
            self.metrics.store.set_feed_quota(&feed.id, feed.store_quota);
            match &feed.relay {
                Some(_) => self.health.update_relay(&feed.id, |_| {}),
                None => self.health.forget_relay(&feed.id),
            }
        }
        for rendering in &settings.renderings {
            let outbox = rendering.place.display().to_string();
            self.health.declare_rendering(&rendering.id, &rendering.department, &outbox);
        }
    }
}

/// What of the settings is different and cannot be while the bridge runs.
fn fixed_changes(before: &Settings, after: &Settings) -> Vec<String> {
    let shown = |path: &Path| path.display().to_string();
    let fixed = [
        ("bridge.name", before.name.clone(), after.name.clone()),
        ("bridge.state", shown(&before.state), shown(&after.state)),
        ("store.path", shown(&before.store.path), shown(&after.store.path)),
        ("topics.prefix", before.topics.prefix.clone(), after.topics.prefix.clone()),
    ];
    let changed = fixed.into_iter().filter(|(_, before, after)| before != after);
    let mut lines: Vec<String> =
        changed.map(|(key, before, after)| format!("{key}: is `{before}`, would become `{after}`")).collect();
    if before.store.options != after.store.options {
        lines.push("store: compression or quota would become another".to_owned());
    }
    if format!("{:?}", before.http) != format!("{:?}", after.http) {
        lines.push("http: would be answered elsewhere".to_owned());
    }
    if format!("{:?}", before.traces) != format!("{:?}", after.traces) {
        lines.push("traces: would be sent elsewhere".to_owned());
    }
    // Its properties may be secrets.
    if before.log != after.log {
        lines.push("log: would become another, or be reached otherwise".to_owned());
    }
    lines
}

fn compile_feeds(settings: &Settings) -> anyhow::Result<Vec<Arc<FeedPlan>>> {
    let mut schemas = BTreeMap::new();
    for (name, event) in &settings.events {
        let schema = EventSchema::compile(&event.schema).map_err(|message| anyhow!(message));
        let schema = schema.with_context(|| event.schema_path.display().to_string())?;
        schemas.insert(name.clone(), Arc::new(schema));
    }
    let compile = |feed: &Arc<FeedSettings>| {
        let plan = FeedPlan::new(Arc::clone(feed), &schemas, &settings.events);
        plan.map(Arc::new).map_err(|problems| anyhow!("feed `{}`: {}", feed.id, problems.join("; ")))
    };
    settings.feeds.iter().map(compile).collect()
}

fn compile_renderings(settings: &Settings, feeds: &[Arc<FeedPlan>]) -> anyhow::Result<Vec<Arc<RenderingPlan>>> {
    let compile = |rendering: &Arc<RenderingSettings>| {
        let id = &rendering.id;
        let source = match &rendering.kind {
            RenderingKind::Mirror { feed } => {
                let plan = feeds.iter().find(|plan| plan.id() == feed);
                PlanSource::Mirror(Arc::clone(plan.ok_or_else(|| anyhow!("rendering `{id}`: no feed `{feed}`"))?))
            }
            RenderingKind::Window(window) => {
                let plan = WindowPlan::new(Arc::clone(window));
                PlanSource::Window(Arc::new(
                    plan.map_err(|problems| anyhow!("rendering `{id}`: {}", problems.join("; ")))?,
                ))
            }
        };
        Ok(Arc::new(RenderingPlan { settings: Arc::clone(rendering), source }))
    };
    settings.renderings.iter().map(compile).collect()
}

/// Opens an event log.
///
/// # Errors
/// Of the adapter.
pub fn open_log(settings: &LogSettings) -> anyhow::Result<Arc<dyn EventLog>> {
    Ok(match settings {
        LogSettings::Embedded { path } => {
            make_private_directory(path.parent().unwrap_or(Path::new(".")))?;
            Arc::new(SqliteLog::open(path)?)
        }
        LogSettings::Kafka { brokers, properties } => Arc::new(KafkaLog::connect(KafkaSettings {
            properties: properties.clone(),
            ..KafkaSettings::new(brokers)
        })?),
    })
}

/// Makes a directory that only its owner can look into: it holds other people's data.
///
/// # Errors
/// Of the file system.
pub fn make_private_directory(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("create directory {}", path.display()))
}
