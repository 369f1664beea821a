//! A control connection: one command, one answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dropbridge_port::{ErrorKind, PortError, Result};
use suppaftp::{FtpError, FtpResult, ImplFtpStream, Status};

use crate::failure::{self, Answer, Refusal};
use crate::names::{as_text, can_be_told};
use crate::tls::{Connector, FtpsStream};
use crate::transfer::Transfer;

/// The library's client; for plain connections too, where its TLS is never begun.
pub(crate) type Client = ImplFtpStream<FtpsStream>;

/// What a server said of itself when it was first logged in to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// `MLST` and `MLSD`.
    pub(crate) facts: bool,
    pub(crate) size: bool,
    pub(crate) mdtm: bool,
    /// `REST` before a transfer.
    pub(crate) restart: bool,
    /// It says that it is a Unix: then `LIST -a` shows names with a dot before them.
    pub(crate) unix: bool,
    /// Where the user arrives.
    pub(crate) home: Vec<u8>,
}

/// A connection that is logged in.
pub(crate) struct Connection {
    client: Client,
    connector: Option<Connector>,
    pub(crate) abilities: Arc<Abilities>,
    stall_timeout: Duration,
    /// Known to its transfer too, which breaks it off when it is let go of.
    broken: Arc<AtomicBool>,
    used: Instant,
}

impl Connection {
    pub(crate) fn new(
        client: Client,
        connector: Option<Connector>,
        abilities: Arc<Abilities>,
        stall_timeout: Duration,
    ) -> Self {
        Self { client, connector, abilities, stall_timeout, broken: Arc::default(), used: Instant::now() }
    }

    /// It is of no more use.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// How long it was not used.
    pub(crate) fn idle(&self) -> Duration {
        self.used.elapsed()
    }

    pub(crate) fn break_off(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    pub(crate) const fn stall_ms(&self) -> u128 {
        self.stall_timeout.as_millis()
    }

    /// Sends a command with a path, and waits for its answer, which is to have one of these numbers.
    ///
    /// # Errors
    /// Of the connection; `Refused` for a name that no command can carry.
    pub(crate) fn ask(
        &mut self,
        operation: &'static str,
        subject: &str,
        verb: &str,
        argument: &[u8],
        expected: &[Status],
    ) -> Result<Answer<Vec<u8>>> {
        let command = command(operation, subject, verb, argument)?;
        let answer = self.client.custom_command(command, expected).and_then(|response| {
            let cut = || FtpError::ConnectionError(std::io::ErrorKind::UnexpectedEof.into());
            Some(response).filter(|response| failure::is_whole(&response.body)).ok_or_else(cut)
        });
        Ok(self.settle(operation, subject, answer)?.map(|response| response.body))
    }

    /// What the server says that it can do beyond the beginnings (RFC 2389). One that says nothing can nothing.
    ///
    /// # Errors
    /// Of the connection.
    pub(crate) fn features(&mut self, subject: &str) -> Result<Vec<String>> {
        // The library's own command waits for further lines behind an answer of one line. No number is expected here: where
        // this one is, the library takes the first of several lines for all.
        match self.client.custom_command("FEAT", &[]) {
            Err(FtpError::UnexpectedResponse(response))
                if response.status == Status::System && failure::is_whole(&response.body) =>
            {
                Ok(features_of(&response.body))
            }
            // An answer of another form.
            Err(FtpError::BadResponse) => Ok(Vec::new()),
            answer => self.settle("connect", subject, answer).map(|_| Vec::new()),
        }
    }

    /// Asks for a transfer from an offset on.
    ///
    /// # Errors
    /// Of the connection.
    pub(crate) fn begin(
        &mut self,
        operation: &'static str,
        subject: &str,
        verb: &str,
        argument: &[u8],
        offset: u64,
    ) -> Result<Answer<Transfer>> {
        let command = command(operation, subject, verb, argument)?;
        let from = usize::try_from(offset)
            .map_err(|_| PortError::new(ErrorKind::Bug, operation, subject, "an offset beyond this machine's reach"))?;
        let control = self.client.get_ref().try_clone().map_err(FtpError::ConnectionError);
        let begun = self.client.resume_transfer(from).and(control).and_then(|control| {
            let (_, stream) = self.client.custom_data_command(command, &[Status::AboutToSend, Status::AlreadyOpen])?;
            Ok((control, stream))
        });
        let begun = self.settle(operation, subject, begun)?;
        if begun.is_err() && offset > 0 {
            // An offset that the server keeps in mind would be that of the next transfer.
            self.break_off();
        }
        Ok(begun.map(|(control, stream)| Transfer::new(stream, control, Arc::clone(&self.broken))))
    }

    /// Closes a transfer's own connection and waits for what the server says of it. That alone tells whether all came: the
    /// end of a connection without TLS tells nothing.
    ///
    /// # Errors
    /// Of the connection.
    pub(crate) fn finish(&mut self, operation: &'static str, subject: &str, transfer: Transfer) -> Result<Answer<()>> {
        let finished = transfer.finish();
        let answer = self.settle(operation, subject, finished)?;
        if answer.is_err() {
            // There may be more to come than this answer.
            self.break_off();
        }
        Ok(answer)
    }

    /// Tells a refusal from a connection that is of no more use.
    pub(crate) fn settle<T>(
        &mut self,
        operation: &'static str,
        subject: &str,
        answer: FtpResult<T>,
    ) -> Result<Answer<T>> {
        self.used = Instant::now();
        match answer.map_err(failure::without_cut_reply) {
            Ok(done) => Ok(Ok(done)),
            Err(FtpError::UnexpectedResponse(response)) => match Refusal::of(&response) {
                // It closes the connection.
                refusal if refusal.code == 421 => {
                    self.break_off();
                    Err(failure::refused(operation, subject, &refusal))
                }
                // The login itself is not asked for here: this one is lost, and a new connection logs in.
                refusal if refusal.code == 530 => {
                    self.break_off();
                    Err(failure::logged_out(operation, subject, &refusal))
                }
                refusal => Ok(Err(refusal)),
            },
            Err(error) => {
                self.break_off();
                let refused = self.connector.as_ref().and_then(Connector::take_refusal);
                Err(refused.unwrap_or_else(|| failure::lost(operation, subject, &error, self.stall_ms())))
            }
        }
    }
}

/// The names of the features between the first line of an answer and the last (RFC 2389, section 3.2). Some servers put its
/// number before each.
fn features_of(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let lines: Vec<&str> = text.lines().collect();
    let between = lines.get(1..lines.len().saturating_sub(1)).unwrap_or_default();
    let names = between.iter().filter_map(|line| line.strip_prefix("211-").unwrap_or(line).split_whitespace().next());
    names.map(str::to_owned).collect()
}

fn command(operation: &'static str, subject: &str, verb: &str, argument: &[u8]) -> Result<String> {
    if !can_be_told(argument) {
        return Err(PortError::new(ErrorKind::Refused, operation, subject, "FTP cannot tell a name with a line end")
            .with_hint("let the producer choose another name"));
    }
    Ok(if argument.is_empty() { verb.to_owned() } else { format!("{verb} {}", as_text(argument)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_stand_between_the_first_line_and_the_last() {
        assert_eq!(features_of(b"211-Features:\r\n MDTM\r\n MLST type*;size*;\r\n211 End\r\n"), ["MDTM", "MLST"]);
        assert_eq!(features_of(b"211-Features:\r\n211-SIZE\r\n211 End\r\n"), ["SIZE"]);
        for none in ["211 no features\r\n", "211-Features:\r\n211 End\r\n", ""] {
            assert!(features_of(none.as_bytes()).is_empty(), "{none}");
        }
    }
}
