//! Runs programs so that Ctrl-C ends them and everything they started, and we live on to clean up.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

/// The process groups that are told of signals.
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Whether a signal came.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn groups() -> MutexGuard<'static, Vec<Pid>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

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
                INTERRUPTED.store(true, Ordering::SeqCst);
                for group in groups().iter() {
                    // It may just have ended by itself.
                    let _ = kill_process_group(*group, signal);
                }
            }
        });
    });
    Ok(())
}

/// Whether a signal came: nothing more is to be started.
pub(crate) fn came() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Starts a program in a process group of its own, which signals are passed on to until [`wait`] returns.
pub(crate) fn start(command: &mut Command) -> io::Result<Child> {
    // Under the lock, so that no signal falls between the start and the note of it.
    let mut groups = groups();
    if came() {
        return Err(io::ErrorKind::Interrupted.into());
    }
    let child = command.process_group(0).spawn()?;
    groups.extend(Pid::from_raw(i32::try_from(child.id()).unwrap_or(0)));
    Ok(child)
}

/// Waits for a program that [`start`] started. Signals no longer go to it.
pub(crate) fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let status = child.wait();
    let id = i32::try_from(child.id()).unwrap_or(0);
    groups().retain(|group| group.as_raw_nonzero().get() != id);
    status
}
