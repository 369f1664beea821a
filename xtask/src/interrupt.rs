//! Runs a program so that Ctrl-C ends it and everything it started, and we live on to clean up.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

/// The process group that is told of signals; 0 when there is none.
static GROUP: AtomicI32 = AtomicI32::new(0);

/// Takes SIGINT and SIGTERM over: from now on they end the program that runs, not us.
pub(crate) fn pass_on() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().context("listen for signals")?;
    let listening = {
        let _guard = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::spawn(move || {
        let (mut interrupt, mut terminate) = listening;
        runtime.block_on(async {
            loop {
                let signal = tokio::select! {
                    _ = interrupt.recv() => Signal::INT,
                    _ = terminate.recv() => Signal::TERM,
                };
                if let Some(group) = Pid::from_raw(GROUP.load(Ordering::SeqCst)) {
                    // It may just have ended by itself.
                    let _ = kill_process_group(group, signal);
                }
            }
        });
    });
    Ok(())
}

/// Starts a program in a process group of its own, which signals are passed on to.
pub(crate) fn start(command: &mut Command) -> io::Result<Child> {
    let child = command.process_group(0).spawn()?;
    GROUP.store(i32::try_from(child.id()).unwrap_or(0), Ordering::SeqCst);
    Ok(child)
}

/// The program has ended: signals go nowhere.
pub(crate) fn ended() {
    GROUP.store(0, Ordering::SeqCst);
}
