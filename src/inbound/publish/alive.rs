//! Saying that we are alive beside work that may take longer than a standby waits.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use dropbridge_port::{ErrorKind, PortError, Result};

use super::Publisher;

/// How often it is looked, beside such work, whether the heartbeat is due.
const LOOK_UP: Duration = Duration::from_millis(200);

impl Publisher {
    /// Does what may take long on a thread of its own, while this one writes the heartbeat: no transaction may be open.
    /// `subject`: the file that it is about.
    pub(in crate::inbound) fn beside<T: Send>(
        &mut self,
        subject: &str,
        work: impl FnOnce() -> Result<T> + Send,
    ) -> Result<T> {
        beside(subject, work, || self.stay_alive())
    }

    /// Writes the heartbeat when it is due: no transaction may be open.
    pub(in crate::inbound) fn stay_alive(&mut self) -> Result<()> {
        self.slot.beat_if_due().or_else(|error| self.weather(error))
    }
}

/// Does `work` on a thread of its own, and meanwhile `look` from time to time. What `look` fails with is answered when
/// the thread has ended.
fn beside<T: Send>(
    subject: &str,
    work: impl FnOnce() -> Result<T> + Send,
    mut look: impl FnMut() -> Result<()>,
) -> Result<T> {
    let (sender, answer) = channel();
    thread::scope(|scope| {
        let work = move || _ = sender.send(work());
        let started = thread::Builder::new().name("long work".to_owned()).spawn_scoped(scope, work);
        started.map_err(|error| PortError::io("start thread", subject, &error))?;
        loop {
            match answer.recv_timeout(LOOK_UP) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) => look()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(PortError::new(
                        ErrorKind::Bug,
                        "wait for thread",
                        subject,
                        "it ended without an answer",
                    ));
                }
            }
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn long_work_does_not_keep_the_heart_from_beating() {
        let (beat, beats) = channel();
        let wait = Duration::from_secs(60);
        let work = move || Ok((0..2).filter(|_| beats.recv_timeout(wait).is_ok()).count());
        let look = || {
            let _it_has_ended = beat.send(());
            Ok(())
        };
        assert_eq!(beside("a file", work, look).unwrap(), 2);
    }

    #[test]
    fn whoever_is_fenced_beside_long_work_is_told_when_it_has_ended() {
        let (fence, fenced) = channel();
        let (end, ended) = channel();
        let work = move || {
            fenced.recv_timeout(Duration::from_secs(60)).unwrap();
            end.send(()).unwrap();
            Ok(())
        };
        let look = || {
            fence.send(()).unwrap();
            Err(PortError::new(ErrorKind::Fenced, "hold slot", "slot 0", "taken over"))
        };
        assert_eq!(beside("a file", work, look).unwrap_err().kind, ErrorKind::Fenced);
        assert!(ended.try_recv().is_ok(), "its thread goes on");
    }
}
