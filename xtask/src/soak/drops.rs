//! Dropping files whose outcome is known: good, bad, large, and the same ones again.

use std::collections::{HashSet, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::estate::{Estate, FEEDS};
use super::random::Random;

/// So many files back the same bytes may come again.
const REMEMBERED: usize = 2000;

/// One file that was dropped.
pub(crate) struct Dropped {
    /// Its name in the inbox.
    pub(crate) name: String,
    /// Index into [`FEEDS`].
    pub(crate) feed: usize,
    /// How many events have to come of it; none of a bad one.
    pub(crate) rows: Option<usize>,
}

/// All that were dropped; a file's number is its index.
#[derive(Default)]
pub(crate) struct Account {
    pub(crate) all: Vec<Dropped>,
    /// How often known bytes came again.
    pub(crate) repeats: usize,
    large: usize,
}

impl Account {
    /// How many files were dropped, repeats among them.
    pub(crate) fn files(&self) -> usize {
        self.all.len() + self.repeats
    }

    pub(crate) fn good(&self) -> usize {
        self.all.iter().filter(|file| file.rows.is_some()).count()
    }

    pub(crate) fn bad(&self) -> usize {
        self.all.len() - self.good()
    }

    pub(crate) fn events(&self) -> usize {
        self.all.iter().filter_map(|file| file.rows).sum()
    }

    pub(crate) fn summary(&self) -> String {
        format!(
            "{} files: {} good ({} of them large) with {} events, {} bad, {} repeats",
            self.files(),
            self.good(),
            self.large,
            self.events(),
            self.bad(),
            self.repeats
        )
    }
}

/// Names of files that came again. Locked while one is put, so that nobody takes it away in that moment.
#[derive(Clone, Default)]
pub(crate) struct Repeated(Arc<Mutex<HashSet<String>>>);

impl Repeated {
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of a row: the file's and its own, by which each event is found again.
pub(crate) fn row_number(file: usize, row: usize) -> String {
    format!("S{file:07}-{row:05}")
}

/// The reverse of [`row_number`].
pub(crate) fn parse_row_number(text: &str) -> Option<(usize, usize)> {
    let (file, row) = text.strip_prefix('S')?.split_once('-')?;
    Some((file.parse().ok()?, row.parse().ok()?))
}

/// The thread that drops.
pub(crate) struct Drops(JoinHandle<Result<Account>>);

impl Drops {
    /// Begins, at this rate.
    pub(crate) fn begin(estate: &Estate, rate: f64, random: Random, repeated: Repeated, over: Arc<AtomicBool>) -> Self {
        let inboxes = FEEDS.map(|feed| estate.inbox(feed)).to_vec();
        let part = estate.root().join("share/arriving");
        let (account, remembered) = (Account::default(), VecDeque::new());
        let mut dropper = Dropper { inboxes, part, random, account, repeated, remembered };
        Self(std::thread::spawn(move || {
            let begun = Instant::now();
            for index in 0_u32.. {
                let due = begun + Duration::from_secs_f64(f64::from(index) / rate);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if over.load(Ordering::SeqCst) {
                    break;
                }
                dropper.drop_one()?;
            }
            Ok(dropper.account)
        }))
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> Result<Account> {
        self.0.join().map_err(|_| anyhow::anyhow!("the thread that drops files panicked"))?
    }
}

struct Dropper {
    inboxes: Vec<PathBuf>,
    part: PathBuf,
    random: Random,
    account: Account,
    repeated: Repeated,
    /// Small files that were dropped lately: feed, name, bytes.
    remembered: VecDeque<(usize, String, String)>,
}

impl Dropper {
    fn drop_one(&mut self) -> Result<()> {
        match self.random.below(200) {
            0..8 if !self.remembered.is_empty() => {
                let (feed, name, bytes) = &self.remembered[self.random.below(self.remembered.len())];
                let mut repeated = self.repeated.lock();
                repeated.insert(name.clone());
                put(&self.part, &self.inboxes[*feed].join(name), bytes)?;
                self.account.repeats += 1;
                Ok(())
            }
            8..14 => {
                let (feed, rows) = (self.random.below(2), 1 + self.random.below(9));
                let number = self.account.all.len();
                let bytes = match self.random.below(2) {
                    0 => content(number, rows, rows + 1),
                    _ => content(number, rows, rows).replacen("|12.50", "|none", 1),
                };
                self.file(feed, None, &bytes)
            }
            14 => {
                let rows = 1500 + self.random.below(2500);
                self.account.large += 1;
                self.file(2, Some(rows), &content(self.account.all.len(), rows, rows))
            }
            _ => {
                let (feed, rows) = (self.random.below(2), 1 + self.random.below(9));
                let bytes = content(self.account.all.len(), rows, rows);
                self.file(feed, Some(rows), &bytes)?;
                let name = self.account.all.last().map(|file| file.name.clone()).unwrap_or_default();
                self.remembered.push_back((feed, name, bytes));
                if self.remembered.len() > REMEMBERED {
                    self.remembered.pop_front();
                }
                Ok(())
            }
        }
    }

    fn file(&mut self, feed: usize, rows: Option<usize>, bytes: &str) -> Result<()> {
        let number = self.account.all.len();
        let name = format!("ORD_2026{:02}{:02}_{number:07}.dat", 1 + number / 28 % 12, 1 + number % 28);
        put(&self.part, &self.inboxes[feed].join(&name), bytes)?;
        self.account.all.push(Dropped { name, feed, rows });
        Ok(())
    }
}

fn put(part: &Path, place: &Path, bytes: &str) -> Result<()> {
    fs::write(part, bytes).and_then(|()| fs::rename(part, place)).with_context(|| place.display().to_string())
}

/// Orders and a trailer that says how many there are.
fn content(file: usize, rows: usize, said: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "O|{}|12.50", row_number(file, row));
    }
    let _infallible = writeln!(text, "T|{said}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_again_by_its_number() {
        assert_eq!(parse_row_number(&row_number(90_001, 3999)), Some((90_001, 3999)));
        assert_eq!(parse_row_number("T3"), None);
    }
}
