//! Sides that run in turn.

use anyhow::{Context, Result};

use super::figures::Spread;
use super::measure::Sample;

/// One side: what it is called, what it does, what each of its rounds took.
pub(crate) struct Contender<'r> {
    pub(crate) name: &'static str,
    run: Box<dyn Fn(usize) -> Result<Sample> + 'r>,
    pub(crate) samples: Vec<Sample>,
}

impl<'r> Contender<'r> {
    /// A side; `run` is told the number of the round.
    pub(crate) fn new(name: &'static str, run: impl Fn(usize) -> Result<Sample> + 'r) -> Self {
        Self { name, run: Box::new(run), samples: Vec::new() }
    }

    /// Things a second, for so many in each round.
    pub(crate) fn rate(&self, count: u64) -> Spread {
        Spread::of(self.samples.iter().map(|sample| count as f64 / sample.wall_s))
    }

    /// Seconds by the wall clock.
    pub(crate) fn wall(&self) -> Spread {
        Spread::of(self.samples.iter().map(|sample| sample.wall_s))
    }

    /// Seconds of processor.
    pub(crate) fn cpu(&self) -> Spread {
        Spread::of(self.samples.iter().map(|sample| sample.cpu_s))
    }

    /// How many times as fast as another, round by round.
    pub(crate) fn speed_against(&self, other: &Self) -> Spread {
        Spread::of(self.pairs(other).map(|(own, its)| its.wall_s / own.wall_s))
    }

    /// How many times the processor time of another, round by round.
    pub(crate) fn cpu_against(&self, other: &Self) -> Spread {
        Spread::of(self.pairs(other).map(|(own, its)| own.cpu_s / its.cpu_s))
    }

    fn pairs<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = (&'s Sample, &'s Sample)> {
        self.samples.iter().zip(&other.samples)
    }
}

/// Runs all sides in each round, every other round in the opposite order.
pub(crate) fn interleave(rounds: usize, contenders: &mut [Contender<'_>]) -> Result<()> {
    for round in 0..rounds {
        let count = contenders.len();
        for place in 0..count {
            let index = if round % 2 == 0 { place } else { count - 1 - place };
            let Some(contender) = contenders.get_mut(index) else { continue };
            let sample = (contender.run)(round).with_context(|| contender.name)?;
            eprintln!(
                "round {} of {rounds}: {}: {:.2} s, {:.2} s of processor",
                round + 1,
                contender.name,
                sample.wall_s,
                sample.cpu_s
            );
            contender.samples.push(sample);
        }
    }
    Ok(())
}
