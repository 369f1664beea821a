//! Makes the files of cut-offs: for the first time, again, or ahead of time.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use dropbridge_port::{EventLog, PortError, Result};
use sha2::{Digest, Sha256};

use super::file::WindowFile;
use super::gather::{Gathered, GatheredFile, Gathering, of_disk};
use super::plan::{SourceTopic, WindowPlan};
use super::slice::Slice;
use crate::domain::policy::Begin;
use crate::domain::{BusinessDate, ContentHash, Moment};
use crate::ledger::delivery::{Delivery, WindowedFile};
use crate::outbound::mirror::{AssemblyError, Different, Provenance, Rendered, not_written};
use crate::window::{Cut, Mark, PlannedFile, WindowJournal};

/// What is copied at once.
const COPY_BYTES: usize = 1 << 16;

/// What an output is opened by.
type Open<'o, W> = &'o mut dyn FnMut() -> std::result::Result<W, PortError>;

/// Writes one file to an output that it opens.
pub type WriteFile<'w, W> = dyn Fn(Open<'_, W>) -> std::result::Result<(W, Rendered), AssemblyError> + 'w;

/// Is handed one file after the other, with what writes it.
pub type EachFile<'e, W> = dyn FnMut(&PlannedFile, &WriteFile<'_, W>) -> std::result::Result<(), AssemblyError> + 'e;

/// The end that each partition of some topics has now, and where it begins.
///
/// # Errors
/// Of the log.
pub fn ends(log: &dyn EventLog, sources: &[SourceTopic]) -> Result<(Vec<Mark>, Vec<Mark>)> {
    let (mut lows, mut highs) = (Vec::new(), Vec::new());
    let mut topics: Vec<&str> = sources.iter().map(|source| source.topic.as_str()).collect();
    topics.dedup();
    for topic in topics {
        for ends in log.watermarks(topic)? {
            let mark = |to| Mark { topic: topic.to_owned(), partition: ends.partition, to };
            lows.push(mark(ends.low));
            highs.push(mark(ends.high));
        }
    }
    Ok((lows, highs))
}

/// The journal of windows that begin now, over these topics.
///
/// # Errors
/// Of the log.
pub fn first_journal(
    log: &dyn EventLog,
    window: &WindowPlan,
    sources: &[SourceTopic],
    name: &str,
    now: Moment,
    begin: Begin,
) -> Result<WindowJournal> {
    let (lows, highs) = ends(log, sources)?;
    let mut journal = WindowJournal::new(name, now);
    journal.open_from = lows;
    if begin == Begin::Now {
        journal.leave_the_past(&window.settings.rules, &highs);
    }
    Ok(journal)
}

/// Makes files of cut-offs, from topics that it is told: those that consumers act on, or others with events of the same
/// types.
pub struct WindowAssembler {
    pub(super) log: Arc<dyn EventLog>,
    pub(super) window: Arc<WindowPlan>,
    pub(super) sources: Vec<SourceTopic>,
    /// Where large files are sorted.
    pub(super) directory: PathBuf,
}

/// From where the events of a cut-off are read.
pub(super) enum Read<'f> {
    /// From where the journal says that events are open.
    Open(&'f WindowJournal),
    /// From where they were found before.
    Found(&'f Delivery),
}

impl WindowAssembler {
    /// From these topics.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, window: Arc<WindowPlan>, sources: Vec<SourceTopic>, directory: PathBuf) -> Self {
        Self { log, window, sources, directory }
    }

    pub(super) fn gather(
        &self,
        windowed: &WindowedFile,
        from: &Read<'_>,
        only: Option<BusinessDate>,
    ) -> std::result::Result<Gathered, AssemblyError> {
        let slices: Vec<Slice> = match from {
            Read::Open(journal) => {
                let slices = windowed.cut.marks.iter().map(|mark| open_slice(journal, mark));
                slices.collect::<std::result::Result<_, _>>()?
            }
            Read::Found(delivery) => delivery.ranges.iter().map(Slice::of).collect(),
        };
        let given_up = match from {
            Read::Open(journal) => &journal.given_up[..],
            Read::Found(_) => &[],
        };
        Gathering {
            plan: &self.window,
            log: &*self.log,
            sources: &self.sources,
            slices: &slices,
            cut: &windowed.cut,
            before: windowed.before.as_ref(),
            order: &windowed.order,
            given_up,
            passes_undated: false,
            only,
            directory: &self.directory,
        }
        .gather()
    }

    /// Writes a file again that was delivered before, and makes sure that it is the same.
    ///
    /// # Errors
    /// Why there is no such file; what was written so far is then of no use.
    pub fn write_again<W: io::Write>(
        &self,
        delivery: &Delivery,
        open: &mut dyn FnMut() -> std::result::Result<W, PortError>,
    ) -> std::result::Result<(W, Rendered), AssemblyError> {
        let (windowed, planned) = planned_of(delivery)?;
        let gathered = self.gather(windowed, &Read::Found(delivery), Some(planned.date))?;
        let file = gathered.file(planned)?;
        let (out, rendered, _) = self.write(planned, file, open)?;
        match delivery.sha256 {
            Some(expected) if expected != rendered.sha256 => {
                let since = (windowed.plan_digest != self.window.digest)
                    .then(|| "; layout, mapping or the rendering itself were changed since".to_owned());
                let (found, first) = (rendered.sha256, None);
                Err(AssemblyError::Different(Box::new(Different { expected, found, first, since })))
            }
            _ => Ok((out, rendered)),
        }
    }

    /// The end that each partition of its topics has now.
    ///
    /// # Errors
    /// Of the log.
    pub fn ends(&self) -> Result<Vec<Mark>> {
        Ok(ends(&*self.log, &self.sources)?.1)
    }

    /// Hands over each file that a date would make if everything up to it were cut off at these marks, with what writes
    /// it. Nothing is journaled.
    ///
    /// # Errors
    /// Why a file cannot be made; of the log and of `each`.
    pub fn preview<W: io::Write>(
        &self,
        journal: &WindowJournal,
        date: BusinessDate,
        marks: &[Mark],
        each: &mut EachFile<'_, W>,
    ) -> std::result::Result<(), AssemblyError> {
        let rules = &self.window.settings.rules;
        let mut journal = journal.clone();
        let due = journal.due(rules, rules.closes(date));
        journal.cut(&due, marks);
        journal.planned.clear();
        while let Some(cut) = journal.unplanned().cloned() {
            let windowed = self.windowed(&journal, &cut, None);
            let gathered = self.gather(&windowed, &Read::Open(&journal), None)?;
            let planned = journal.plan(rules, cut.date, &gathered.counts(), gathered.open_after.clone());
            for file in planned.map_err(AssemblyError::Refused)? {
                if cut.date == date {
                    let found = gathered.file(&file)?;
                    each(&file, &|open| self.write(&file, found, open).map(|(out, rendered, _)| (out, rendered)))?;
                }
                journal.finish(&file);
            }
        }
        Ok(())
    }

    /// What a delivery has to say of its cut-off.
    pub(super) fn windowed(&self, journal: &WindowJournal, cut: &Cut, file: Option<PlannedFile>) -> WindowedFile {
        WindowedFile {
            cut: cut.clone(),
            before: journal.before(cut).cloned(),
            file,
            order: self.window.order(),
            plan_digest: self.window.digest.clone(),
            repeated: 0,
        }
    }

    /// Writes a file of what was gathered. Answers how many of its events were repeats, too.
    pub(super) fn write<W: io::Write>(
        &self,
        planned: &PlannedFile,
        gathered: &GatheredFile,
        open: &mut dyn FnMut() -> std::result::Result<W, PortError>,
    ) -> std::result::Result<(W, Rendered, Counts), AssemblyError> {
        let file = WindowFile::new(&self.window, planned, gathered)?;
        let mut bytes = file.bytes()?;
        let mut out = open()?;
        let (mut hasher, mut size) = (Sha256::new(), 0);
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            let count = match io::Read::read(&mut bytes, &mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => return Err(bytes.error.take().unwrap_or_else(|| of_disk(&error).into())),
            };
            hasher.update(&buffer[..count]);
            size += count as u64;
            out.write_all(&buffer[..count]).map_err(not_written)?;
        }
        let rendered = Rendered { sha256: ContentHash::finish(hasher), bytes: size, provenance: Provenance::Events };
        Ok((out, rendered, Counts { events: file.events, repeated: file.repeated }))
    }
}

/// What is in a file.
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) repeated: u64,
}

/// What is to be read of a partition up to a mark.
fn open_slice(journal: &WindowJournal, mark: &Mark) -> std::result::Result<Slice, AssemblyError> {
    let Mark { topic, partition, to } = mark;
    if !journal.open_from.iter().any(|open| open.topic == *topic) {
        let message = format!(
            "topic {topic} was none of the rendering's when it began, so nobody can say from where on its events are to be \
             delivered: give the rendering another id, and it begins anew"
        );
        return Err(AssemblyError::Refused(message));
    }
    let from = journal.read_from(topic, *partition);
    Ok(Slice { topic: topic.clone(), partition: *partition, from, to: *to })
}

pub(super) fn of_no_file() -> AssemblyError {
    AssemblyError::Refused("it is not known which file it is".to_owned())
}

/// What a delivery says of its file.
pub(super) fn planned_of(delivery: &Delivery) -> std::result::Result<(&WindowedFile, &PlannedFile), AssemblyError> {
    let windowed = delivery.window.as_ref();
    let planned = windowed.and_then(|windowed| Some((windowed, windowed.file.as_ref()?)));
    planned.ok_or_else(of_no_file)
}
