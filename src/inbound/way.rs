//! When a file passed each stage of its way, on the clock that only goes forward.

use std::time::Duration;

/// Moments of a file's way; those that it has not come to, or that it never passes, are absent. A file that a command
/// asked for begins in the store: it is seen and picked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// First seen in a listing, or asked for by a command.
    pub seen: Option<Duration>,
    /// Found to be complete.
    pub settled: Option<Duration>,
    /// Its bytes were read.
    pub taken: Option<Duration>,
    /// Its content was looked at, as far as that was needed.
    pub examined: Option<Duration>,
    /// The publisher began with it, for the last time if it was tried again.
    pub picked: Option<Duration>,
}

/// How long each stage took; a stage that the file did not pass is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// From first sight until it was complete.
    pub settle: Option<Duration>,
    /// Reading and hashing its bytes.
    pub take: Option<Duration>,
    /// Parsing, mapping, proving.
    pub examine: Option<Duration>,
    /// Waiting for the publisher, attempts that failed included.
    pub queue: Option<Duration>,
    /// Its transaction, or all of them where it was published in chunks.
    pub commit: Option<Duration>,
    /// All of it.
    pub total: Option<Duration>,
}

impl Way {
    /// The stages that a file passed which was committed now: name, begin, end.
    #[must_use]
    pub fn passed(&self, committed: Duration) -> Vec<(&'static str, Duration, Duration)> {
        let queued = self.examined.or(self.taken).or(self.seen);
        let stages = [
            ("settle", self.seen, self.settled),
            ("take", self.settled, self.taken),
            ("examine", self.taken, self.examined),
            ("queue", queued, self.picked),
            ("commit", self.picked, Some(committed)),
        ];
        stages.into_iter().filter_map(|(name, from, to)| Some((name, from?, to?))).collect()
    }

    /// The stages of a file that was committed now.
    #[must_use]
    pub fn stages(&self, committed: Duration) -> Stages {
        let between = |from: Option<Duration>, to: Option<Duration>| Some(to?.saturating_sub(from?));
        Stages {
            settle: between(self.seen, self.settled),
            take: between(self.settled, self.taken),
            examine: between(self.taken, self.examined),
            queue: between(self.examined.or(self.taken).or(self.seen), self.picked),
            commit: between(self.picked, Some(committed)),
            total: between(self.seen, Some(committed)),
        }
    }
}

impl Stages {
    /// Each stage with its name, in order.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, Option<Duration>); 5] {
        [
            ("settle", self.settle),
            ("take", self.take),
            ("examine", self.examine),
            ("queue", self.queue),
            ("commit", self.commit),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(time: u64) -> Option<Duration> {
        Some(Duration::from_millis(time))
    }

    #[test]
    fn stages_add_up_to_the_whole() {
        let way = Way { seen: ms(100), settled: ms(5100), taken: ms(5103), examined: ms(5110), picked: ms(5150) };
        let stages = way.stages(Duration::from_millis(5160));
        assert_eq!(stages.named().map(|(_, time)| time), [ms(5000), ms(3), ms(7), ms(40), ms(10)]);
        assert_eq!(stages.total, stages.named().iter().map(|(_, time)| *time).sum());
        let asked = Way { seen: ms(7), picked: ms(8), ..Way::default() }.stages(Duration::from_millis(10));
        assert_eq!((asked.settle, asked.queue, asked.commit, asked.total), (None, ms(1), ms(2), ms(3)));
        assert_eq!(Way::default().stages(Duration::ZERO), Stages::default());
    }
}
