//! `[[rendering]]`: files that are made of events, and where they are delivered.

use std::sync::Arc;

use dropbridge_port::Attributes;

use crate::capture::readiness::ChecksumRule;
use crate::domain::name_pattern::NameTemplate;
use crate::domain::policy::{Begin, TargetExists};

use super::bridge::{Bridge, word_of_an_address};
use super::feed::{StatedFeed, directory_in_share, known};
use super::outbox;
use super::places::place_of;
use super::problems::{Gathered, Place, suggestion};
use super::readiness;
use super::section::Section;
use super::settings::{RenderingKind, RenderingSettings};
use super::window::{self, StatedWindow};

/// A rendering as far as it could be read.
pub(super) struct StatedRendering {
    /// Its id, with its place.
    pub(super) id: Option<(String, Place)>,
    /// The feed that it mirrors, or whose kind of file it makes, with its place.
    pub(super) feed: Option<(String, Place)>,
    /// What it states of windows, where it is one of these.
    pub(super) window: Option<StatedWindow>,
    /// The share's name.
    pub(super) share: Option<String>,
    /// Directory within the share, with its place.
    pub(super) outbox: Option<(String, Place)>,
    /// The names beside its files that were stated, and are its feed's otherwise.
    marker: Option<NameTemplate>,
    checksum: Option<ChecksumRule>,
    department: Option<String>,
    staging: Option<String>,
    begin: Begin,
    target_exists: TargetExists,
    attributes: Option<Attributes>,
}

/// Reads one `[[rendering]]`.
pub(super) fn read(section: Section<'_>, department: Option<&str>, bridge: &Bridge) -> StatedRendering {
    let id_place = section.place_of("id");
    let id = word_of_an_address(&section, "id").map(|id| (id, id_place));
    let kind = section.need("kind").and_then(|given| given.word(&[("mirror", false), ("window", true)]));
    let window = match kind {
        Some(true) => Some(window::read(&section, bridge)),
        Some(false) => {
            window::refuse(&section);
            None
        }
        // Which keys it may have is not known.
        None => {
            window::pass(&section);
            None
        }
    };
    let feed = section.need("feed").and_then(|given| Some((given.text()?, given.place())));
    let share = section.need("share").and_then(|given| known(&given, "share", &bridge.shares));
    let directory = section.need("outbox").and_then(|given| Some((directory_in_share(&given)?, given.place())));
    let staging = section.find("staging").and_then(|given| directory_in_share(&given));
    let marker = section.find("marker").and_then(|given| readiness::template(&given));
    let checksum = section.find("checksum").and_then(|given| readiness::checksum(&given));
    let begin = section.word("begin", &[("now", Begin::Now), ("beginning", Begin::Beginning)], Begin::Now);
    let words = [("wait", TargetExists::Wait), ("hold", TargetExists::Hold)];
    let target_exists = section.word("target_exists", &words, TargetExists::Wait);
    let attributes = outbox::attributes(&section, share.as_deref(), bridge);
    section.end();
    let department = department.map(str::to_owned);
    StatedRendering {
        id,
        feed,
        window,
        share,
        outbox: directory,
        marker,
        checksum,
        department,
        staging,
        begin,
        target_exists,
        attributes,
    }
}

impl StatedRendering {
    /// The feed that it mirrors, where that is stated somewhere.
    pub(super) fn feed<'f>(&self, feeds: &'f [StatedFeed]) -> Option<&'f StatedFeed> {
        let (name, _) = self.feed.as_ref()?;
        feeds.iter().find(|feed| feed.id.as_ref().is_some_and(|(id, _)| id == name))
    }

    /// Reports a feed that is stated nowhere, and what of a window does not fit it.
    pub(super) fn check_feed(&self, feeds: &[StatedFeed], gathered: &Gathered) {
        let Some((name, place)) = &self.feed else { return };
        let Some(feed) = self.feed(feeds) else {
            let all = feeds.iter().filter_map(|feed| Some(feed.id.as_ref()?.0.as_str()));
            gathered.add(place, format!("no feed `{name}` is stated"), suggestion(name, all));
            return;
        };
        if let (Some(window), Some(feed)) = (&self.window, &feed.settings) {
            window.check(feed, place, gathered);
        }
    }

    /// The whole of it, where it could be read; what says that a file is whole is its feed's, unless stated.
    pub(super) fn settings(self, bridge: &Bridge, feeds: &[StatedFeed]) -> Option<Arc<RenderingSettings>> {
        let feed = self.feed(feeds)?.settings.as_ref()?;
        let (outbox, share) = (self.outbox?.0, self.share?);
        Some(Arc::new(RenderingSettings {
            id: self.id?.0,
            department: self.department?,
            kind: match &self.window {
                Some(window) => RenderingKind::Window(Arc::new(window.settings(feed)?)),
                None => RenderingKind::Mirror { feed: feed.id.clone() },
            },
            place: place_of(bridge.shares.get(&share)?.as_ref()?, &outbox),
            share,
            staging: self.staging,
            outbox,
            marker: self.marker.or_else(|| feed.ready.marker.clone()),
            checksum: self.checksum.or_else(|| feed.ready.checksum.clone()),
            begin: self.begin,
            target_exists: self.target_exists,
            attributes: self.attributes?,
        }))
    }
}
