//! The journey of one department, in a minute: its batch job and its new service side by side, compared; a defect that is
//! found and refused; live, back, and live again. Its neighbours go on as ever, and consumers go on polling for files.
//!
//! Every day of it is what an operator would do by hand: the [`sides`] write, the bridge runs, `parity` compares and
//! records, `cutover` is asked. The days are those of a [`clock`] that is set. In the end the [`account`] counts by fact.

mod account;
mod clock;
mod estate;
mod sides;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use serde_json::json;

use account::{Consumers, Counts, audit, read_topic};
use clock::{DayClock, date_of};
use estate::{DEPARTMENTS, MOVED, PARITY_DAYS};
use sides::Service;

use super::estate::Estate;
use crate::cli::{self, Answer, Output};
use crate::config;
use crate::cutover::{Authority, Command, CutoverJournal, Direction, Stage};
use crate::health::Health;
use crate::inbound::baseline::BaselinePolicy;
use crate::ledger::replay::read_control;
use crate::relay::{self, begin::FirstFiles};
use crate::runner::{self, RunOptions};
use crate::wiring::{Bridge, Instruments};

/// Who signs.
const OWNER: &str = "owner-of-parks";

/// Runs it.
///
/// # Errors
/// Of the file system and the bridge.
pub async fn run(directory: Option<&Path>, output: Output) -> anyhow::Result<Answer> {
    let mut journey = Journey::begin(directory, output)?;
    journey.say(format!("three departments, in {}\n", journey.estate.directory().display()))?;
    journey.chapter("The bridge is put between the batch jobs and their consumers; nothing else changes.")?;
    journey.days(1).await?;

    journey.chapter("Parks starts its new service beside the batch job. It rounds one total: nobody knows yet.")?;
    journey.advance().await?;
    journey.days(2).await?;
    journey.expect_refusal().await?;

    journey.chapter("The defect is mended.")?;
    journey.service.rounds = false;
    journey.days(PARITY_DAYS).await?;
    journey.chapter("Parity has held long enough, and its owner has signed.")?;
    journey.advance().await?;
    journey.days(2).await?;

    journey.chapter("A doubt: parks goes back to its batch job, from the first day of which nothing was said.")?;
    journey.roll_back().await?;
    journey.days(2).await?;
    journey.chapter("The doubt was about nothing. Parks is cut over a second time.")?;
    journey.advance().await?;
    journey.days(2).await?;
    journey.end()
}

struct Journey {
    estate: Estate,
    clock: Arc<DayClock>,
    output: Output,
    service: Service,
    consumers: Consumers,
    /// Days that are over.
    day: u32,
    pages: Vec<PathBuf>,
}

impl Journey {
    fn begin(directory: Option<&Path>, output: Output) -> anyhow::Result<Self> {
        let estate = estate::make(directory)?;
        let clock = Arc::new(DayClock::new());
        let bridge = open(&estate, &clock)?;
        runner::set_up(&bridge)?;
        let feeds = runner::without_baseline(&bridge)?;
        runner::give_baselines(&bridge, &feeds, BaselinePolicy::Take, &mut |_, entries| entries.map(drop))?;
        let journals = relay::directory(&bridge.settings.state);
        for plan in &bridge.feeds {
            relay::begin::begin(&journals, plan, &*bridge.share(&plan.settings)?, FirstFiles::Take)?;
        }
        let service = Service::start(&bridge, MOVED)?;
        let (consumers, pages) = (Consumers::default(), Vec::new());
        Ok(Self { estate, clock, output, service, consumers, day: 0, pages })
    }

    fn open(&self) -> anyhow::Result<Arc<Bridge>> {
        open(&self.estate, &self.clock)
    }

    fn say(&self, text: impl std::fmt::Display) -> anyhow::Result<()> {
        self.output.line(text)
    }

    fn chapter(&self, text: &str) -> anyhow::Result<()> {
        self.output.object(&json!({ "chapter": text }))?;
        self.say(format!("\n{text}\n"))
    }

    async fn days(&mut self, count: u32) -> anyhow::Result<()> {
        for _ in 0..count {
            self.day += 1;
            self.one_day().await?;
        }
        Ok(())
    }

    /// The service emits by day, the batch jobs dump at noon, files are due at ten in the evening.
    async fn one_day(&mut self) -> anyhow::Result<()> {
        let day = self.day;
        self.clock.set(day, 12);
        for department in DEPARTMENTS {
            sides::dump(&self.estate, department, day)?;
        }
        let stage = self.journal()?.stage_on(date_of(day));
        if stage != Stage::Observe {
            // Two of a day's bids were known the evening before.
            self.service.emit(day, |index| day == 2 || index > 1)?;
            self.service.emit(day + 1, |index| index < 2)?;
        }
        self.run_bridge().await?;
        self.clock.set(day, 23);
        self.run_bridge().await?;
        self.consumers.look(&self.estate)?;
        let parity = if stage == Stage::Observe { None } else { Some(self.compare()?) };
        let got = self.consumers.got(MOVED, day);
        let file = match (got, stage) {
            (0, _) => "no file",
            (_, Stage::Live) => "the bridge's file",
            (..) => "the batch job's file",
        };
        self.output
            .object(&json!({ "day": day, "date": date_of(day), "stage": stage, "parity": parity, "files": got }))?;
        let parity = parity.unwrap_or_else(|| "nothing to compare yet".to_owned());
        self.say(format!("  {}  {:<8} consumer got {file:<21} parity: {parity}", date_of(day), stage.as_str()))
    }

    async fn run_bridge(&self) -> anyhow::Result<()> {
        let bridge = self.open()?;
        let summary =
            runner::run(Arc::clone(&bridge), RunOptions { until_idle: true, ..RunOptions::default() }).await?;
        if let Some(relay) = summary.relays.iter().find(|relay| relay.trouble.is_some()) {
            bail!("relay: {}", relay.trouble.as_deref().unwrap_or_default());
        }
        super::usable(&bridge, &summary, &self.estate)
    }

    /// What `parity parks --date … --record --html …` does. Answers its verdict, in words.
    fn compare(&mut self) -> anyhow::Result<String> {
        let (bridge, date) = (self.open()?, date_of(self.day));
        let page = self.estate.directory().join(format!("parity-{date}.html"));
        let report = cli::parity::compare_and_record(&bridge, MOVED, date, &page)?;
        self.pages.push(page);
        let totals = report.totals();
        Ok(match (report.is_parity(), report.files.first()) {
            (true, _) => format!("holds, {} records", totals.compared),
            (false, Some(file)) => format!("{}, {} differences", file.verdict, totals.differences),
            (false, None) => "no file to compare".to_owned(),
        })
    }

    fn journal(&self) -> anyhow::Result<CutoverJournal> {
        let bridge = self.open()?;
        let mut control = read_control(&*bridge.context.log, &bridge.context.topics)?;
        Ok(control.cutovers.remove(MOVED).unwrap_or_else(|| CutoverJournal::new(MOVED)))
    }

    async fn ask(&self, direction: Direction) -> anyhow::Result<Result<String, Vec<String>>> {
        let command = Command {
            direction,
            effective: None,
            by: "operator@city".to_owned(),
            approved_by: Some(OWNER.to_owned()),
            reason: Some("the journey".to_owned()),
            force: false,
        };
        cli::cutover::ask_to_move(&self.open()?, MOVED, command).await
    }

    async fn advance(&self) -> anyhow::Result<()> {
        self.moved("advance", self.ask(Direction::Advance).await?)
    }

    async fn roll_back(&self) -> anyhow::Result<()> {
        self.moved("rollback", self.ask(Direction::Rollback).await?)
    }

    fn moved(&self, word: &str, answer: Result<String, Vec<String>>) -> anyhow::Result<()> {
        match answer {
            Ok(moved) => self.say(format!("  $ dropbridge cutover {word} parks\n  {moved}")),
            Err(blocks) => bail!("parks was not moved: {}", blocks.join("; ")),
        }
    }

    /// The gate has to keep it from going live.
    async fn expect_refusal(&self) -> anyhow::Result<()> {
        match self.ask(Direction::Advance).await? {
            Ok(moved) => bail!("the defect went live: {moved}"),
            Err(blocks) => {
                self.output.object(&json!({ "refused": blocks }))?;
                self.say(format!("  $ dropbridge cutover advance parks\n  refused: {}", blocks.join("; ")))
            }
        }
    }

    /// Counts, and says where to look.
    fn end(&self) -> anyhow::Result<Answer> {
        let bridge = self.open()?;
        let journal = self.journal()?;
        let is_live = |department: &str, day: u32| {
            department == MOVED && journal.authority_on(date_of(day)) == Authority::Candidate
        };
        let counted = audit(&read_topic(&bridge)?, &self.consumers, self.day, &is_live);
        self.say("")?;
        let mut rows = Vec::new();
        for (department, counts) in &counted {
            let Counts { facts, from_legacy, from_service, lost, doubled, wrong, files, wrong_files } = counts;
            self.output.object(&json!({
                "department": department, "facts": facts, "from_legacy": from_legacy, "from_service": from_service,
                "lost": lost, "doubled": doubled, "wrong": wrong, "files": files, "wrong_files": wrong_files,
            }))?;
            let numbers = [facts, from_legacy, from_service, lost, doubled, files, wrong_files];
            let numbers = numbers.iter().map(ToString::to_string);
            rows.push(std::iter::once((*department).to_owned()).chain(numbers).collect());
        }
        let header = ["department", "facts", "of the files", "of the service", "lost", "doubled", "files", "wrong"];
        self.output.table(&header, rows)?;
        let is_good = |counts: &Counts| counts.lost + counts.doubled + counts.wrong + counts.wrong_files == 0;
        let good = counted.iter().all(|(_, counts)| is_good(counts));
        self.say(if good {
            "\nEach fact stands on the topic once, and each consumer got each day's file once, whoever spoke."
        } else {
            "\nSomething is not where it has to be: see the table."
        })?;
        for page in [self.pages.first(), self.pages.last()].into_iter().flatten() {
            self.output.object(&json!({ "page": page }))?;
            self.say(format!("What its owner signs: {}", page.display()))?;
        }
        self.say(format!("Look around: dropbridge --config {} cutover history", self.estate.config().display()))?;
        Ok(if good { Answer::Fine } else { Answer::No })
    }
}

fn open(estate: &Estate, clock: &Arc<DayClock>) -> anyhow::Result<Arc<Bridge>> {
    let settings = config::load(&estate.config())?;
    let usual = Instruments::new(&settings);
    let clock: Arc<dyn crate::clock::Clock> = Arc::clone(clock) as _;
    let health = Health::new(Arc::clone(&clock), Arc::clone(&usual.metrics), settings.takeover_after);
    Ok(Arc::new(Bridge::open_with(settings, Instruments { clock, health, ..usual })?))
}
