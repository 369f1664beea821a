//! What people ask of deliveries: again, hold, release.

use dropbridge_port::{Result, Standing};

use super::deliver::{Deliverer, staged_name};
use super::journal::Entry;
use super::source::Behind;
use crate::ledger::control::{DeliveryAction, Release, Request};
use crate::ledger::delivery::{Delivery, DeliveryState, Position};

impl Deliverer {
    /// Does what a request asks; the request ends in the same transaction. One that cannot be done ends too, with a line
    /// in the log.
    ///
    /// # Errors
    /// Of the log and the outbox; the request is then still there.
    pub fn serve(&mut self, request: &Request, action: &DeliveryAction) -> Result<()> {
        let answer = match action {
            DeliveryAction::Redeliver { key, revision, reason, .. } => self.redeliver(key, *revision, reason),
            DeliveryAction::Release { key, revision, release, reason, .. } => {
                self.release(key, *revision, *release, reason)?
            }
            DeliveryAction::HoldRendering { reason, .. } => self.change_position(|position| {
                position.held = Some(reason.clone());
            }),
            DeliveryAction::ReleaseRendering { new_outbox, .. } => {
                if *new_outbox {
                    self.forget_outbox();
                }
                self.change_position(|position| {
                    position.held = None;
                    if *new_outbox {
                        position.identity = None;
                    }
                })
            }
        };
        let mut entry = answer.unwrap_or_else(|why| {
            tracing::error!(request = %request.id, "a request cannot be done: {why}");
            Entry::default()
        });
        entry.request = Some(request.id.clone());
        self.journal.record(&entry)
    }

    fn change_position(&self, change: impl FnOnce(&mut Position)) -> std::result::Result<Entry, String> {
        let mut position = self.position().map_err(|error| error.to_string())?;
        change(&mut position);
        position.recorded_at = self.context.clock.now();
        Ok(Entry { position: Some(position), ..Entry::default() })
    }

    fn known(&self, key: &str, revision: u32) -> std::result::Result<Delivery, String> {
        let id = format!("{}/{key}/{revision}", self.plan.id());
        let known = self.context.deliveries().get(&id).cloned();
        known.ok_or_else(|| format!("there is no delivery `{id}`"))
    }

    fn redeliver(&self, key: &str, revision: u32, reason: &str) -> std::result::Result<Entry, String> {
        let mut delivery = self.known(key, revision)?;
        if delivery.state.is_open() {
            return Err(format!("`{}` is {}: it is not over yet", delivery.id(), delivery.state.as_str()));
        }
        if delivery.is_whole_cut() {
            return Err(format!("`{}` was given up: it has no file", delivery.id()));
        }
        delivery.state = DeliveryState::Asked { reason: reason.to_owned() };
        delivery.attempt += 1;
        delivery.recorded_at = self.context.clock.now();
        Ok(Entry { delivery: Some(delivery), ..Entry::default() })
    }

    fn release(
        &mut self,
        key: &str,
        revision: u32,
        release: Release,
        reason: &str,
    ) -> Result<std::result::Result<Entry, String>> {
        let mut delivery = match self.known(key, revision) {
            Ok(delivery) if matches!(delivery.state, DeliveryState::Held { .. }) => delivery,
            Ok(delivery) => {
                return Ok(Err(format!("`{}` is not held: it is {}", delivery.id(), delivery.state.as_str())));
            }
            Err(why) => return Ok(Err(why)),
        };
        let reason = reason.to_owned();
        let behind = match release {
            Release::Deliver => {
                delivery.state = if self.is_as_it_was(&delivery)? {
                    DeliveryState::Intended
                } else {
                    DeliveryState::Asked { reason }
                };
                Behind::default()
            }
            Release::Delivered => {
                delivery.state = DeliveryState::Delivered { reason: Some(reason) };
                self.behind(&delivery)?
            }
            Release::Skip => {
                if !delivery.parts.is_empty() {
                    self.make_ready()?;
                }
                for part in &delivery.parts {
                    self.outbox.discard(&staged_name(part)?)?;
                }
                delivery.state = DeliveryState::Skipped { reason };
                self.behind(&delivery)?
            }
        };
        delivery.recorded_at = self.context.clock.now();
        let Behind { position, window } = behind;
        Ok(Ok(Entry { delivery: Some(delivery), position, window, ..Entry::default() }))
    }

    /// Every part is still staged, or published: it can go on where it was.
    fn is_as_it_was(&mut self, delivery: &Delivery) -> Result<bool> {
        if delivery.parts.is_empty() {
            return Ok(false);
        }
        self.make_ready()?;
        let standings = self.standings(delivery)?;
        Ok(standings.iter().all(|standing| matches!(standing, Standing::Staged | Standing::Published)))
    }
}
