//! Going on after a connection was lost.

use std::thread::sleep;
use std::time::Duration;

use dropbridge_port::{EntryStat, ErrorKind, PortError, Result};

use crate::pauses::with_jitter;

/// Attempts to go on after the connection was lost, without a single byte between them.
const MOST: u32 = 6;

/// Before the first attempt, doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How often it was tried to go on with a file since its last byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts(u32);

impl Attempts {
    /// A byte came through.
    pub const fn end(&mut self) {
        self.0 = 0;
    }

    /// Tries to go on after `error`, with growing pauses, as long as what comes in the way may pass. `attempt` is told the
    /// error that it goes on from.
    ///
    /// # Errors
    /// The last one, when there are no more attempts or it will not pass.
    pub fn go_on<T>(&mut self, mut error: PortError, mut attempt: impl FnMut(&PortError) -> Result<T>) -> Result<T> {
        while self.0 < MOST {
            sleep(with_jitter(FIRST_PAUSE * 2_u32.pow(self.0)));
            self.0 += 1;
            match attempt(&error) {
                Err(next) if next.kind == ErrorKind::Transient => error = next,
                answer => return answer,
            }
        }
        Err(error)
    }
}

/// Whether a file may be read on at `offset` after `lost`: it has to be what was `seen` `before`. Answers what it is `now`.
///
/// # Errors
/// `Transient` where it is another one: it is read from its beginning again.
pub fn read_on(
    subject: &str,
    offset: u64,
    lost: &PortError,
    before: Option<EntryStat>,
    now: EntryStat,
) -> Result<EntryStat> {
    if before.is_some_and(|before| before != now) {
        let message = "it changed while the connection was away: it is read from its beginning again";
        return Err(PortError::new(ErrorKind::Transient, "read", subject, message));
    }
    tracing::info!(file = subject, offset, size = now.size, "goes on after the connection was lost: {}", lost.message);
    Ok(now)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn error(kind: ErrorKind, message: &str) -> PortError {
        PortError::new(kind, "read", "file", message)
    }

    #[test]
    fn what_may_pass_is_tried_again_and_nothing_else() {
        let mut attempts = Attempts::default();
        let mut tried = 0;
        let done = attempts.go_on(error(ErrorKind::Transient, "lost"), |_| {
            tried += 1;
            if tried == 2 { Ok(tried) } else { Err(error(ErrorKind::Transient, "still")) }
        });
        assert_eq!((done.unwrap(), attempts), (2, Attempts(2)));
        let refused = attempts.go_on(error(ErrorKind::Transient, "lost"), |lost| -> Result<()> {
            assert_eq!(lost.message, "lost");
            Err(error(ErrorKind::Refused, "no"))
        });
        assert_eq!((refused.unwrap_err().message.as_str(), attempts), ("no", Attempts(3)));
        attempts.end();
        assert_eq!(attempts, Attempts(0));
        attempts = Attempts(MOST);
        let given_up = attempts.go_on(error(ErrorKind::Transient, "lost"), |_| Ok(()));
        assert_eq!(given_up.unwrap_err().message, "lost");
    }

    #[test]
    fn only_the_same_file_is_read_on() {
        let stat = |size| EntryStat { size, modified_ns: 5, version: 0 };
        let lost = error(ErrorKind::Transient, "lost");
        assert_eq!(read_on("file", 1, &lost, None, stat(2)).unwrap(), stat(2));
        assert_eq!(read_on("file", 1, &lost, Some(stat(2)), stat(2)).unwrap(), stat(2));
        let changed = read_on("file", 1, &lost, Some(stat(2)), stat(3)).unwrap_err();
        assert_eq!(changed.kind, ErrorKind::Transient);
    }
}
