//! `cargo xtask bench shares`: shares on a server of this machine, against the protocol's own client, in one run.
//!
//! Both sides begin with a new connection in each round, write what they get to a file, and hash it. The server is one
//! OpenSSH on the loopback, so what is measured is the two clients: on a real line the line decides.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use dropbridge_conformance::openssh::{OpenSsh, OpenSshOptions};
use dropbridge_port::{EntryPath, ListRequest, Share};
use dropbridge_sftp::{HostKeyTrust, PrivateKeyFile, SftpServer, SftpSettings, SftpShare};
use sha2::{Digest, Sha256};

use super::contender::{Contender, interleave};
use super::figures::{cost, cut};
use super::measure::{self, Sample};
use super::report::{at_least, at_most, table};
use crate::programs;

/// Bytes that are read at a time, as a capture does.
const BLOCK_BYTES: usize = 1 << 18;

/// What to measure, and how much of it.
#[derive(Args)]
pub(crate) struct SharesOptions {
    /// Size of the large file, megabytes
    #[arg(long, default_value_t = 500)]
    large_mb: u64,
    /// Small files, of 2,000 bytes each
    #[arg(long, default_value_t = 2_000)]
    small_files: u64,
    /// Files of the large directory
    #[arg(long, default_value_t = 20_000)]
    entries: u64,
    /// How often each side runs
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// What both sides read from, and where to.
struct Bed {
    server: OpenSsh,
    scratch: tempfile::TempDir,
}

/// Runs it and shows what it came to.
pub(crate) fn run(options: &SharesOptions) -> Result<ExitCode> {
    programs::require("sshd", "there is no server to measure")?;
    programs::require("sftp", "there is nothing to measure against")?;
    let Some(server) = OpenSsh::start(OpenSshOptions::default()) else { bail!("no OpenSSH server") };
    let bed = Bed { server, scratch: tempfile::tempdir()? };
    bed.fill(options)?;
    println!("\n== SFTP, against OpenSSH's `sftp`\n");
    println!("{}", bed.reading("one large file", "large", options.large_mb * 1_000_000, 1, options.rounds)?);
    let bytes = options.small_files * 2_000;
    println!("{}", bed.reading("many small files", "small", bytes, options.small_files, options.rounds)?);
    println!("{}", bed.listing(options)?);
    Ok(ExitCode::SUCCESS)
}

impl Bed {
    fn at(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn fill(&self, options: &SharesOptions) -> Result<()> {
        for directory in ["large", "small", "many", "got"] {
            fs::create_dir(self.at(directory))?;
        }
        let block: Vec<u8> = (0..250_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut large = File::create(self.at("large/file-0"))?;
        (0..options.large_mb).try_for_each(|_| large.write_all(&block))?;
        for number in 0..options.small_files {
            fs::write(self.at("small").join(format!("file-{number}")), &block[..2_000])?;
        }
        for number in 0..options.entries {
            File::create(self.at("many").join(format!("PAYROLL_20260131_{number:08}.dat")))?;
        }
        Ok(())
    }

    fn share(&self, directory: &str) -> Result<SftpShare> {
        let server = SftpServer::new(SftpSettings {
            share: "bench".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: self.server.address().port(),
            user: self.server.user(),
            password: None,
            private_key: Some(PrivateKeyFile { path: self.server.path("user_key"), passphrase: None }),
            trust: HostKeyTrust { host_keys: vec![self.server.host_key()], known_hosts: None },
            connect_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
            parallel_transfers: 4,
        });
        let root = self.at(directory);
        Ok(SftpShare::new(Arc::clone(&server), root.to_str().context("a path in UTF-8")?.as_bytes(), ""))
    }

    /// OpenSSH's own client with one line for each command; what it prints is thrown away.
    fn client(&self, batch: &str) -> Result<Command> {
        let path = self.at("batch");
        fs::write(&path, batch)?;
        let known = self.at("known_hosts");
        fs::write(&known, format!("[127.0.0.1]:{} {}\n", self.server.address().port(), self.server.host_key()))?;
        let mut command = Command::new("sftp");
        command.arg("-q").arg("-b").arg(path).arg("-i").arg(self.server.path("user_key"));
        command.args(["-F", "none", "-o", "IdentitiesOnly=yes", "-o"]);
        command.arg(format!("UserKnownHostsFile={}", known.display()));
        command.arg("-P").arg(self.server.address().port().to_string());
        command.arg(format!("{}@127.0.0.1", self.server.user()));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(command)
    }

    fn reading(&self, what: &str, directory: &str, bytes: u64, files: u64, rounds: usize) -> Result<String> {
        let got = self.at("got");
        let clean = || -> Result<()> {
            fs::remove_dir_all(&got)?;
            Ok(fs::create_dir(&got)?)
        };
        let ours = |_| {
            clean()?;
            timed(|| fetch(&self.share(directory)?, &got, files))
        };
        let theirs = |_| {
            clean()?;
            let batch = format!("get {}/* {}/\n", self.at(directory).display(), got.display());
            let fetched = measure::run(&mut self.client(&batch)?)?;
            let mut hash = Command::new("sh");
            hash.arg("-c").arg("cat \"$1\"/* | sha256sum").arg("sh").arg(&got).stdout(Stdio::null());
            let hashed = measure::run(&mut hash)?;
            ensure!(fs::read_dir(&got)?.count() as u64 == files, "sftp did not fetch all files");
            Ok(Sample { wall_s: fetched.wall_s + hashed.wall_s, ..fetched })
        };
        let mut sides = [Contender::new("dropbridge", ours), Contender::new("sftp and sha256sum", theirs)];
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
            at_least("speed against sftp", 0.8, speed, "")
        ))
    }

    fn listing(&self, options: &SharesOptions) -> Result<String> {
        let ours = |_| {
            timed(|| {
                let listed = self.share("many")?.list(ListRequest::default())?;
                ensure!(listed.entries.len() as u64 == options.entries, "not all files were listed");
                Ok(())
            })
        };
        let theirs = |_| measure::run(&mut self.client(&format!("ls -ln {}\n", self.at("many").display()))?);
        let mut sides = [Contender::new("dropbridge", ours), Contender::new("sftp, `ls -ln`", theirs)];
        interleave(options.rounds, &mut sides)?;
        let [ours, theirs] = &sides;
        let row = |side: &Contender<'_>| vec![side.name.to_owned(), side.wall().show(|wall| cost(wall, 2))];
        let time = 1.0 / ours.speed_against(theirs).median;
        Ok(format!(
            "a listing of {} files\n\n{}\n{}",
            options.entries,
            table(&["side", "seconds"], &[row(ours), row(theirs)]),
            at_most("time against sftp", 1.5, time, "")
        ))
    }
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Sample> {
    let begun = Instant::now();
    work()?;
    // It is one of several threads of this process: its processor time cannot be told from the others'.
    Ok(Sample { wall_s: begun.elapsed().as_secs_f64(), cpu_s: f64::NAN, peak_bytes: f64::NAN })
}

/// As a capture does: stat, read and hash, stat again.
fn fetch(share: &SftpShare, to: &Path, files: u64) -> Result<()> {
    let listed = share.list(ListRequest::default())?;
    ensure!(listed.entries.len() as u64 == files, "not all files were listed");
    let mut block = vec![0; BLOCK_BYTES];
    for entry in &listed.entries {
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
