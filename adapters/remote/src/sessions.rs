//! The one connection to a server: opened when it is needed, and again when it was lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dropbridge_port::{ErrorKind, Result};

use crate::pauses::Pauses;

/// A connection that is logged in.
pub trait Session {
    /// It is of no more use.
    fn is_broken(&self) -> bool;
}

/// The connection to a server, as all its shares, outboxes and inboxes use it.
#[derive(Debug)]
pub struct Sessions<S> {
    kept: Mutex<Kept<S>>,
}

#[derive(Debug)]
struct Kept<S> {
    session: Option<Arc<S>>,
    pauses: Pauses,
}

impl<S> Default for Sessions<S> {
    fn default() -> Self {
        Self { kept: Mutex::new(Kept { session: None, pauses: Pauses::default() }) }
    }
}

impl<S: Session> Sessions<S> {
    fn kept(&self) -> MutexGuard<'_, Kept<S>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is one that works.
    pub fn is_connected(&self) -> bool {
        self.kept().session.as_ref().is_some_and(|session| !session.is_broken())
    }

    /// The one that is there, or a new one. Who comes while another opens one waits for that.
    ///
    /// # Errors
    /// As `connect` says. After a failure the same is answered for a growing time, without troubling the server.
    pub fn get(&self, connect: impl Fn() -> Result<S>) -> Result<Arc<S>> {
        let mut kept = self.kept();
        if let Some(session) = kept.session.as_ref().filter(|session| !session.is_broken()) {
            return Ok(Arc::clone(session));
        }
        kept.session = None;
        kept.pauses.require_over()?;
        let session = Arc::new(connect().inspect_err(|error| kept.pauses.begin(error))?);
        kept.pauses.end();
        kept.session = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Does something that may be done twice: a connection that was lost since it was last used is opened anew.
    ///
    /// # Errors
    /// Of the work, and of opening.
    pub fn with<T>(&self, connect: impl Fn() -> Result<S>, work: impl Fn(&Arc<S>) -> Result<T>) -> Result<T> {
        let session = self.get(&connect)?;
        match work(&session) {
            Err(error) if error.kind == ErrorKind::Transient && session.is_broken() => {
                tracing::debug!(%error, "connecting again");
                work(&self.get(&connect)?)
            }
            answer => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::Cell;
    use std::sync::atomic::{AtomicBool, Ordering};

    use dropbridge_port::PortError;

    use super::*;

    #[derive(Debug, Default)]
    struct Line(AtomicBool);

    impl Session for Line {
        fn is_broken(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn lost() -> PortError {
        PortError::new(ErrorKind::Transient, "ask", "server", "lost")
    }

    #[test]
    fn what_was_lost_is_opened_once_more_and_what_works_is_kept() {
        let (sessions, opened) = (Sessions::default(), Cell::new(0));
        let connect = || {
            opened.set(opened.get() + 1);
            Ok(Line::default())
        };
        let asked = Cell::new(0);
        let first_breaks = |session: &Arc<Line>| {
            asked.set(asked.get() + 1);
            session.0.store(asked.get() == 1, Ordering::Relaxed);
            if session.is_broken() { Err(lost()) } else { Ok(asked.get()) }
        };
        assert_eq!(sessions.with(connect, first_breaks).unwrap(), 2);
        assert_eq!(sessions.with(connect, first_breaks).unwrap(), 3);
        assert_eq!(opened.get(), 2);
        assert!(sessions.is_connected());
        // What fails on a connection that works is not done again.
        let refused = |_: &Arc<Line>| -> Result<()> {
            asked.set(asked.get() + 1);
            Err(lost())
        };
        assert!(sessions.with(connect, refused).is_err());
        assert_eq!((asked.get(), opened.get()), (4, 2));
    }

    #[test]
    fn a_server_that_is_away_is_not_troubled_at_once() {
        let (sessions, tried) = (Sessions::<Line>::default(), Cell::new(0));
        let away = || {
            tried.set(tried.get() + 1);
            Err(PortError::new(ErrorKind::Refused, "connect", "server", "no"))
        };
        for _ in 0..3 {
            assert_eq!(sessions.get(away).unwrap_err().message, "no");
        }
        assert_eq!(tried.get(), 1);
        assert!(!sessions.is_connected());
    }
}
