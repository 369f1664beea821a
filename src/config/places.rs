//! What only shows when all files are read: ids that stand twice, feeds that would take each other's files, files that
//! would be relayed round and round, renderings that would deliver to where their files come from, and directories of the
//! bridge inside those of a legacy system.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::bridge::Bridge;
use super::feed::StatedFeed;
use super::problems::{Gathered, Place};
use super::rendering::StatedRendering;
use super::settings::{LogSettings, ShareSettings};
use crate::domain::policy::EventProvenance;

/// A feed's inbox, and where it is.
struct Inbox<'a> {
    feed: &'a StatedFeed,
    directory: PathBuf,
}

/// Checks feeds and renderings against each other and against the bridge's own directories.
pub(super) fn check(bridge: &Bridge, feeds: &[StatedFeed], renderings: &[StatedRendering], gathered: &Gathered) {
    ids_stand_once("feed", feeds.iter().filter_map(|feed| feed.id.as_ref()), gathered);
    ids_stand_once("rendering", renderings.iter().filter_map(|rendering| rendering.id.as_ref()), gathered);
    for rendering in renderings {
        rendering.check_feed(feeds, gathered);
        not_where_it_comes_from(bridge, rendering, feeds, gathered);
    }
    each_file_is_delivered_once(bridge, feeds, renderings, gathered);
    each_event_is_delivered_once(bridge, feeds, renderings, gathered);
    let inboxes: Vec<Inbox<'_>> = feeds.iter().filter_map(|feed| inbox(bridge, feed)).collect();
    for (index, second) in inboxes.iter().enumerate() {
        for first in &inboxes[..index] {
            no_shared_files(first, second, gathered);
        }
    }
    relays_lead_somewhere(bridge, &inboxes, gathered);
    let log = match &bridge.log {
        Some((LogSettings::Embedded { path }, place)) => {
            Some((path, place)).filter(|(path, _)| !in_state(bridge, path))
        }
        _ => None,
    };
    let own = [
        bridge.state.as_ref().map(|(path, place)| (path, place)),
        bridge.store.as_ref().map(|(store, place)| (&store.path, place)),
    ];
    let own = own.into_iter().flatten();
    for (path, place) in own.chain(log) {
        outside_of_inboxes(path, place, &inboxes, gathered);
    }
}

/// Tells each feed in which directories below its inbox the bridge itself delivers.
pub(super) fn pass_over(bridge: &Bridge, mut feeds: Vec<StatedFeed>) -> Vec<StatedFeed> {
    let outboxes: Vec<PathBuf> = feeds.iter().filter_map(|feed| outbox(bridge, feed)).collect();
    for feed in &mut feeds {
        let Some(inbox) = inbox(bridge, feed).map(|inbox| inbox.directory) else { continue };
        let Some(settings) = feed.settings.as_mut().filter(|settings| settings.recursive) else { continue };
        let below = outboxes.iter().filter_map(|outbox| outbox.strip_prefix(&inbox).ok()?.to_str());
        settings.passed_over = below.filter(|below| !below.is_empty()).map(str::to_owned).collect();
        settings.passed_over.sort();
        settings.passed_over.dedup();
    }
    feeds
}

fn outbox(bridge: &Bridge, feed: &StatedFeed) -> Option<PathBuf> {
    let relay = feed.relay.as_ref()?;
    directory(bridge, relay.share.as_ref()?, relay.directory.as_ref()?)
}

fn directory(bridge: &Bridge, share: &str, directory: &str) -> Option<PathBuf> {
    Some(place_of(bridge.shares.get(share)?.as_ref()?, directory))
}

/// A relay into the inbox of another feed is a hop on the way; one that leads back to where it began never ends. What
/// is put aside after relaying must not be found by a feed either.
fn relays_lead_somewhere(bridge: &Bridge, inboxes: &[Inbox<'_>], gathered: &Gathered) {
    // Deliveries below a recursive inbox are passed over there.
    let next = |outbox: &Path| inboxes.iter().filter(|inbox| inbox.directory == outbox).collect::<Vec<_>>();
    for start in inboxes {
        not_moved_into_an_inbox(bridge, start, inboxes, gathered);
        let Some(relay) = &start.feed.relay else { continue };
        let mut reached: Vec<PathBuf> = outbox(bridge, start.feed).into_iter().collect();
        let mut index = 0;
        while let Some(at) = reached.get(index).cloned() {
            index += 1;
            if at == start.directory {
                let message = "leads back to this feed's inbox: its files would be relayed without end";
                gathered.add(&relay.place, message, Some("choose another directory".to_owned()));
                break;
            }
            let further = next(&at).into_iter().filter_map(|inbox| outbox(bridge, inbox.feed));
            let further: Vec<_> = further.filter(|outbox| !reached.contains(outbox)).collect();
            reached.extend(further);
        }
    }
}

/// What is moved out of one inbox must not be in another, or the same one again.
fn not_moved_into_an_inbox(bridge: &Bridge, start: &Inbox<'_>, inboxes: &[Inbox<'_>], gathered: &Gathered) {
    let Some((aside, place)) = &start.feed.moved_to else { return };
    let Some(aside) = start.feed.share.as_ref().and_then(|share| directory(bridge, share, aside)) else { return };
    let finds =
        |inbox: &&Inbox<'_>| aside == inbox.directory || (inbox.feed.recursive && aside.starts_with(&inbox.directory));
    if let Some(inbox) = inboxes.iter().find(finds) {
        let feed = inbox.feed.id.as_ref().map_or("without id", |(id, _)| id);
        let message = format!("lies in the inbox of feed `{feed}`: what is moved there would be taken again");
        gathered.add(place, message, Some("choose a directory outside of every inbox".to_owned()));
    }
}

/// What lies in the state directory is judged with it.
fn in_state(bridge: &Bridge, path: &Path) -> bool {
    bridge.state.as_ref().is_some_and(|(state, _)| path.starts_with(state))
}

fn ids_stand_once<'a>(what: &str, ids: impl Iterator<Item = &'a (String, Place)>, gathered: &Gathered) {
    let mut seen: BTreeMap<&str, &Place> = BTreeMap::new();
    for (id, place) in ids {
        match seen.get(id.as_str()) {
            Some(first) => gathered.add(place, format!("{what} `{id}` is stated at {first} already"), None),
            None => drop(seen.insert(id, place)),
        }
    }
}

/// Whoever polls the inbox of a feed has its files already: a mirror into the same directory would give each one twice.
fn not_where_it_comes_from(bridge: &Bridge, rendering: &StatedRendering, feeds: &[StatedFeed], gathered: &Gathered) {
    // What came from no file is in none of the inbox's.
    if rendering.window.as_ref().is_some_and(|window| window.provenance == EventProvenance::Native) {
        return;
    }
    let Some(inbox) = rendering.feed(feeds).and_then(|feed| inbox(bridge, feed)) else { return };
    let (Some(share), Some((outbox, place))) = (&rendering.share, &rendering.outbox) else { return };
    let Some(share) = bridge.shares.get(share).and_then(Option::as_ref) else { return };
    let outbox = place_of(share, outbox);
    if outbox == inbox.directory || (inbox.feed.recursive && outbox.starts_with(&inbox.directory)) {
        let feed = inbox.feed.id.as_ref().map_or("", |(id, _)| id);
        let message = format!("is the inbox of feed `{feed}`, whose files it mirrors: each would be there twice");
        gathered.add(place, message, Some("choose a directory of its own".to_owned()));
    }
}

/// A relay and a mirror of one feed, or two mirrors of it, must not have a directory in common: its consumer would get each
/// file again as soon as it has taken the first.
fn each_file_is_delivered_once(
    bridge: &Bridge,
    feeds: &[StatedFeed],
    renderings: &[StatedRendering],
    gathered: &Gathered,
) {
    let relays = feeds.iter().filter_map(|feed| {
        let (id, _) = feed.id.as_ref()?;
        Some((id, outbox(bridge, feed)?, &feed.relay.as_ref()?.place))
    });
    let mirrors = renderings.iter().filter(|rendering| rendering.window.is_none()).filter_map(|rendering| {
        let ((feed, _), (outbox, place)) = (rendering.feed.as_ref()?, rendering.outbox.as_ref()?);
        Some((feed, directory(bridge, rendering.share.as_ref()?, outbox)?, place))
    });
    let mut seen: BTreeMap<(&str, PathBuf), &Place> = BTreeMap::new();
    for (feed, outbox, place) in relays.chain(mirrors) {
        match seen.get(&(feed.as_str(), outbox.clone())) {
            Some(first) => {
                let message =
                    format!("files of feed `{feed}` are delivered there already ({first}): each would come twice");
                gathered.add(place, message, Some("choose a directory of its own".to_owned()));
            }
            None => drop(seen.insert((feed, outbox), place)),
        }
    }
}

/// What somebody delivers to a directory.
struct Carrier<'c> {
    directory: PathBuf,
    place: &'c Place,
    types: BTreeSet<&'c str>,
    departments: Vec<String>,
    is_window: bool,
    /// Of which events: of those that were made from files, and of those that were not.
    legacy: bool,
    native: bool,
}

impl Carrier<'_> {
    /// Some event would be in files of both.
    fn shares_events(&self, other: &Self) -> bool {
        self.directory == other.directory
            && ((self.legacy && other.legacy) || (self.native && other.native))
            && !self.types.is_disjoint(&other.types)
            && self.departments.iter().any(|department| other.departments.contains(department))
    }
}

/// Types and department of a feed's events.
fn types(feed: &StatedFeed) -> Option<(BTreeSet<&str>, Vec<String>)> {
    let settings = feed.settings.as_ref()?;
    let types = settings.events.iter().map(|event| event.event_type.as_str()).collect();
    Some((types, vec![settings.department.clone()]))
}

/// A window must not have a directory in common with anything that delivers the same events there: its consumer would
/// get them twice.
fn each_event_is_delivered_once(
    bridge: &Bridge,
    feeds: &[StatedFeed],
    renderings: &[StatedRendering],
    gathered: &Gathered,
) {
    let relays = feeds.iter().filter_map(|feed| {
        let (types, departments) = types(feed)?;
        let (directory, place) = (outbox(bridge, feed)?, &feed.relay.as_ref()?.place);
        Some(Carrier { directory, place, types, departments, is_window: false, legacy: true, native: false })
    });
    let rendered = renderings.iter().filter_map(|rendering| {
        let feed = rendering.feed(feeds)?;
        let (outbox, place) = rendering.outbox.as_ref()?;
        let directory = directory(bridge, rendering.share.as_ref()?, outbox)?;
        let ((types, departments), native) = match &rendering.window {
            None => (types(feed)?, false),
            Some(window) => {
                let settings = feed.settings.as_ref()?;
                ((window.types(settings), window.departments(settings)), true)
            }
        };
        let legacy = rendering.window.as_ref().is_none_or(|window| window.provenance == EventProvenance::Any);
        let is_window = rendering.window.is_some();
        Some(Carrier { directory, place, types, departments, is_window, legacy, native })
    });
    let carriers: Vec<Carrier<'_>> = relays.chain(rendered).collect();
    for (index, second) in carriers.iter().enumerate() {
        let first =
            carriers[..index].iter().find(|first| (first.is_window || second.is_window) && first.shares_events(second));
        if let Some(first) = first {
            let message =
                format!("the same events are delivered there already ({}): each would come twice", first.place);
            gathered.add(second.place, message, Some("choose a directory of its own".to_owned()));
        }
    }
}

fn inbox<'a>(bridge: &Bridge, feed: &'a StatedFeed) -> Option<Inbox<'a>> {
    let share = bridge.shares.get(feed.share.as_ref()?)?.as_ref()?;
    Some(Inbox { feed, directory: place_of(share, feed.inbox.as_ref()?) })
}

/// Two feeds that list a directory in common may not have a pattern in common: each would publish the other's files.
fn no_shared_files(first: &Inbox<'_>, second: &Inbox<'_>, gathered: &Gathered) {
    let below = |outer: &Inbox<'_>, inner: &Inbox<'_>| {
        outer.directory == inner.directory || (outer.feed.recursive && inner.directory.starts_with(&outer.directory))
    };
    if !below(first, second) && !below(second, first) {
        return;
    }
    for (pattern, place) in &second.feed.include {
        if let Some((_, other)) = first.feed.include.iter().find(|(other, _)| other == pattern) {
            let message = format!("`{pattern}` in this inbox is taken by the feed at {other} already");
            gathered.add(place, message, None);
        }
    }
}

fn outside_of_inboxes(path: &Path, place: &Place, inboxes: &[Inbox<'_>], gathered: &Gathered) {
    let resolved = resolved(path);
    let Some(inbox) = inboxes.iter().find(|inbox| resolved.starts_with(&inbox.directory)) else { return };
    let feed = inbox.feed.id.as_ref().map_or("without id", |(id, _)| id);
    let message = format!("{} lies inside the inbox of feed `{feed}`, where the bridge never writes", path.display());
    gathered.add(place, message, Some("choose a directory outside of every inbox".to_owned()));
}

/// A directory below a share, so that it can be compared with others: without symbolic links where it is one of this
/// machine, an address otherwise.
pub(super) fn place_of(share: &ShareSettings, below: &str) -> PathBuf {
    match share {
        ShareSettings::Directory(directory) => resolved(&directory.root.join(below)),
        ShareSettings::Sftp(server) => server.address.place(below),
        ShareSettings::Smb(server) => server.address.whole.place(below),
        ShareSettings::Ftp(server) => server.address.place(below),
    }
}

/// The absolute path without `..`, following symbolic links as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut resolved = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => drop(resolved.pop()),
            other => resolved.push(other),
        }
        if let Ok(real) = resolved.canonicalize() {
            resolved = real;
        }
    }
    resolved
}
