//! `cargo xtask bench shares`: shares on a server of this machine, against the protocol's own client, in one run.
//!
//! Both sides begin with a new connection in each round, write what they get to a file, and hash it. The server is on the
//! loopback, so what is measured is the two clients: on a real line the line decides.

mod ftp;
mod sftp;
mod smb;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Args, ValueEnum};
use dropbridge_conformance::ftpd::FtpdTls;
use dropbridge_port::{Entry, EntryPath, ListRequest, Share};
use sha2::{Digest, Sha256};

use super::contender::{Contender, interleave};
use super::figures::{cost, cut};
use super::measure::{self, Sample};
use super::report::{at_least, at_most, table};

/// Bytes that are read at a time, as a capture does.
const BLOCK_BYTES: usize = 1 << 18;

/// A protocol to measure.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protocol {
    Ftp,
    Ftps,
    Sftp,
    Smb,
}

/// What to measure, and how much of it.
#[derive(Args)]
pub(crate) struct SharesOptions {
    /// Only these protocols
    #[arg(long, value_enum)]
    protocol: Vec<Protocol>,
    /// Size of the large file, megabytes
    #[arg(long, default_value_t = 500)]
    pub(super) large_mb: u64,
    /// Small files, of 2,000 bytes each
    #[arg(long, default_value_t = 2_000)]
    pub(super) small_files: u64,
    /// Files of the large directory
    #[arg(long, default_value_t = 20_000)]
    pub(super) entries: u64,
    /// How often each side runs
    #[arg(long, default_value_t = 5)]
    pub(super) rounds: usize,
}

/// A server, the bridge's way to it, and the client that it is measured against.
trait Served {
    /// What the protocol is called.
    fn protocol(&self) -> &'static str;

    /// What the client is called.
    fn client(&self) -> &'static str;

    /// The least speed against it.
    fn least_speed(&self) -> f64;

    /// The bridge's share of a directory, over a connection of its own.
    fn share(&self, directory: &Path) -> Result<Box<dyn Share>>;

    /// How many files the client fetches beside each other, and so the bridge.
    fn beside_each_other(&self) -> usize {
        1
    }

    /// The client, fetching all files of a directory into another.
    fn fetching(&self, from: &Path, to: &Path, scratch: &Path) -> Result<Command>;

    /// The client, listing a directory with sizes and times.
    fn listing(&self, directory: &Path, scratch: &Path) -> Result<Command>;
}

/// What both sides read from, and where to.
struct Bed {
    served: Box<dyn Served>,
    scratch: tempfile::TempDir,
}

/// Runs it and shows what it came to.
pub(crate) fn run(options: &SharesOptions) -> Result<ExitCode> {
    for protocol in Protocol::value_variants() {
        if !options.protocol.is_empty() && !options.protocol.contains(protocol) {
            continue;
        }
        let served = match protocol {
            Protocol::Ftp => ftp::start(FtpdTls::None)?,
            Protocol::Ftps => ftp::start(FtpdTls::Explicit)?,
            Protocol::Sftp => sftp::start()?,
            Protocol::Smb => smb::start()?,
        };
        println!("\n== {}, against `{}`\n", served.protocol(), served.client());
        let bed = Bed { served, scratch: tempfile::tempdir()? };
        fill(bed.scratch.path(), options)?;
        println!("{}", bed.reading("one large file", "large", options.large_mb * 1_000_000, 1, options.rounds)?);
        let bytes = options.small_files * 2_000;
        println!("{}", bed.reading("many small files", "small", bytes, options.small_files, options.rounds)?);
        println!("{}", bed.listing(options)?);
    }
    Ok(ExitCode::SUCCESS)
}

impl Bed {
    fn at(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn reading(&self, what: &str, directory: &str, bytes: u64, files: u64, rounds: usize) -> Result<String> {
        let got = self.at("got");
        let clean = || -> Result<()> {
            fs::remove_dir_all(&got)?;
            Ok(fs::create_dir(&got)?)
        };
        let ours = |_| {
            clean()?;
            timed(|| fetch(&*self.served.share(&self.at(directory))?, &got, files, self.served.beside_each_other()))
        };
        let theirs = |_| {
            clean()?;
            let mut client = self.served.fetching(&self.at(directory), &got, self.scratch.path())?;
            let fetched = measure::run(client.stdin(Stdio::null()).stdout(Stdio::null()))?;
            let mut hash = Command::new("sh");
            hash.arg("-c").arg("cat \"$1\"/* | sha256sum").arg("sh").arg(&got).stdout(Stdio::null());
            let hashed = measure::run(&mut hash)?;
            ensure!(fs::read_dir(&got)?.count() as u64 == files, "{} did not fetch all files", self.served.client());
            Ok(Sample { wall_s: fetched.wall_s + hashed.wall_s, ..fetched })
        };
        let mut sides = [Contender::new("dropbridge", ours), Contender::new(self.served.client(), theirs)];
        interleave(rounds, &mut sides)?;
        let [ours, theirs] = &sides;
        let row = |side: &Contender<'_>| {
            let rate = side.rate(bytes).show(|rate| cut(rate / 1e6, 1));
            vec![
                side.name.to_owned(),
                side.wall().show(|wall| cost(wall, 2)),
                rate,
                side.rate(files).show(|rate| cut(rate, 1)),
            ]
        };
        let speed = ours.speed_against(theirs).median;
        Ok(format!(
            "{what}: {files} of {bytes} bytes together\n\n{}\n{}",
            table(&["side", "seconds", "MB/s", "files/s"], &[row(ours), row(theirs)]),
            at_least(&format!("speed against {}", self.served.client()), self.served.least_speed(), speed, "")
        ))
    }

    fn listing(&self, options: &SharesOptions) -> Result<String> {
        let ours = |_| {
            timed(|| {
                let listed = self.served.share(&self.at("many"))?.list(ListRequest::default())?;
                ensure!(listed.entries.len() as u64 == options.entries, "not all files were listed");
                Ok(())
            })
        };
        let theirs = |_| {
            let mut client = self.served.listing(&self.at("many"), self.scratch.path())?;
            measure::run(client.stdin(Stdio::null()).stdout(Stdio::null()))
        };
        let mut sides = [Contender::new("dropbridge", ours), Contender::new(self.served.client(), theirs)];
        interleave(options.rounds, &mut sides)?;
        let [ours, theirs] = &sides;
        let row = |side: &Contender<'_>| vec![side.name.to_owned(), side.wall().show(|wall| cost(wall, 2))];
        let time = 1.0 / ours.speed_against(theirs).median;
        Ok(format!(
            "a listing of {} files\n\n{}\n{}",
            options.entries,
            table(&["side", "seconds"], &[row(ours), row(theirs)]),
            at_most(&format!("time against {}", self.served.client()), 1.5, time, "")
        ))
    }
}

/// Makes what is read: directories `large`, `small` and `many`, and `got` for what came.
pub(super) fn fill(scratch: &Path, options: &SharesOptions) -> Result<()> {
    for directory in ["large", "small", "many", "got"] {
        fs::create_dir(scratch.join(directory))?;
    }
    let block: Vec<u8> = (0..250_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut large = File::create(scratch.join("large/file-0"))?;
    (0..options.large_mb).try_for_each(|_| large.write_all(&block))?;
    for number in 0..options.small_files {
        fs::write(scratch.join("small").join(format!("file-{number}")), &block[..2_000])?;
    }
    for number in 0..options.entries {
        File::create(scratch.join("many").join(format!("PAYROLL_20260131_{number:08}.dat")))?;
    }
    Ok(())
}

pub(super) fn timed(work: impl FnOnce() -> Result<()>) -> Result<Sample> {
    let begun = Instant::now();
    work()?;
    // It is one of several threads of this process: its processor time cannot be told from the others'.
    Ok(Sample { wall_s: begun.elapsed().as_secs_f64(), cpu_s: f64::NAN, peak_bytes: f64::NAN })
}

/// Fetches all files of a share, so many beside each other.
fn fetch(share: &dyn Share, to: &Path, files: u64, beside_each_other: usize) -> Result<()> {
    let listed = share.list(ListRequest::default())?;
    ensure!(listed.entries.len() as u64 == files, "not all files were listed");
    std::thread::scope(|scope| {
        let part = listed.entries.len().div_ceil(beside_each_other);
        let parts = listed.entries.chunks(part).map(|part| scope.spawn(|| capture(share, to, part)));
        let begun: Vec<_> = parts.collect();
        begun.into_iter().try_for_each(|part| part.join().map_err(|_| anyhow!("a capture panicked"))?)
    })
}

/// As a capture does: stat, read and hash, stat again.
fn capture(share: &dyn Share, to: &Path, entries: &[Entry]) -> Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    for entry in entries {
        let mut source = share.open(&entry.path)?;
        let before = source.stat()?;
        let mut hasher = Sha256::new();
        let mut target = File::create(to.join(name(&entry.path)?))?;
        let mut size = 0;
        loop {
            let length = source.read(&mut block)?;
            if length == 0 {
                break;
            }
            hasher.update(&block[..length]);
            target.write_all(&block[..length])?;
            size += length as u64;
        }
        let _hash = hasher.finalize();
        ensure!(size == before.size && source.stat()? == before && share.stat(&entry.path)? == Some(before));
    }
    Ok(())
}

fn name(path: &EntryPath) -> Result<String> {
    Ok(String::from_utf8(path.file_name().to_vec())?)
}

/// A path as the servers are told.
fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}
