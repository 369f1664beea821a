//! `[[feed]]`: one kind of file in one place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::name_pattern::{NamePattern, Wildcard};
use crate::domain::policy::{Afterwards, Corrections, RejectLimit, Repeat, SequenceReset};
use crate::layout::Verdict;
use crate::layout::spec::Role;

use super::bridge::{Bridge, DAY_MS, word_of_an_address};
use super::expect;
use super::given::Given;
use super::layout::StatedLayout;
use super::mapping::{self, StatedEvent, Surroundings};
use super::outbox::{self, StatedRelay};
use super::parity;
use super::places::place_of;
use super::problems::{Place, suggestion};
use super::readiness;
use super::section::Section;
use super::settings::FeedSettings;
use super::store;

/// A feed as far as it could be read.
pub(super) struct StatedFeed {
    /// Its id, with its place.
    pub(super) id: Option<(String, Place)>,
    /// The share's name.
    pub(super) share: Option<String>,
    /// Directory within the share.
    pub(super) inbox: Option<String>,
    /// Where its files are passed on to.
    pub(super) relay: Option<StatedRelay>,
    /// The directory to which files of the inbox are moved, and where that is stated.
    pub(super) moved_to: Option<(String, Place)>,
    /// Looks into directories below.
    pub(super) recursive: bool,
    /// Its patterns as written.
    pub(super) include: Vec<(String, Place)>,
    /// The whole of it, where it could be read.
    pub(super) settings: Option<FeedSettings>,
}

/// Layouts by name; `None` where one could not be read.
pub(super) type Layouts = BTreeMap<String, Option<StatedLayout>>;

/// Reads one `[[feed]]`.
pub(super) fn read(section: Section<'_>, department: Option<&str>, bridge: &Bridge, layouts: &Layouts) -> StatedFeed {
    let id = word_of_an_address(&section, "id");
    let share = section.need("share").and_then(|given| known(&given, "share", &bridge.shares));
    let inbox = section.need("inbox").and_then(|given| directory_in_share(&given));
    let relay = outbox::relay(&section, share.as_deref(), bridge);
    let recursive = section.flag("recursive", false);
    let names = Names::read(&section);
    let mut exclude = section.find("exclude").map(|given| readiness::wildcards(&given)).unwrap_or_default();
    let after = if relay.is_none() { outbox::afterwards(&section, "after") } else { Some(Afterwards::Leave) };
    let (key, afterwards) = match &relay {
        Some(relay) => ("after_relay", relay.settings.as_ref().map(|relay| &relay.after)),
        None => ("after", after.as_ref()),
    };
    let mut moved_to = None;
    match afterwards {
        Some(Afterwards::Move(directory)) => moved_to = Some((directory.clone(), section.place_of(key))),
        // What has its ending was dealt with.
        Some(Afterwards::Rename(suffix)) => exclude.extend(Wildcard::parse(&format!("*{suffix}"))),
        _ => {}
    }
    let layout_name = section.need("layout").and_then(|given| known(&given, "layout", layouts));
    let layout = layout_name.and_then(|name| layouts.get(&name)?.as_ref());
    let repeat = names.repeat(&section);
    let corrections = [("hold", Corrections::Hold), ("publish", Corrections::Publish)];
    let corrections = section.word("corrections", &corrections, Corrections::Hold);
    let sequence = names.sequence(&section);
    let poll = Duration::from_millis(section.number("poll_ms", 50..=DAY_MS).unwrap_or(1000));
    let of_store = store::of_feed(&section, bridge.store.as_ref().map(|(store, _)| store));
    let ready = section.need("ready").and_then(|given| given.section());
    let of_share = share.as_ref().and_then(|share| bridge.shares.get(share)?.as_ref());
    let ready = ready.and_then(|ready| readiness::read(ready, layout.map(|layout| &layout.spec), of_share));
    let around = Surroundings {
        layout: layout.map(|layout| &layout.spec),
        events: &bridge.events,
        names_have_date: names.all(NamePattern::has_date),
        names_have_sequence: names.all(NamePattern::has_sequence),
    };
    let expect = section.section("expect").map(|section| {
        let around = expect::Around {
            calendars: &bridge.calendars,
            names_have_date: names.all(NamePattern::has_date),
            names_have_sequence: names.any(NamePattern::has_sequence),
            sequence,
            recursive,
        };
        Arc::new(expect::read(section, &around))
    });
    let rejects = section.section("rejects").and_then(rejects);
    let least_verdict = section.word("least_verdict", &VERDICTS, Verdict::ReplayOnly);
    let ignore = section.texts("ignore");
    let stated = section.need("event").map(|given| at_least_one(&given, "the feed would publish nothing"));
    let stated = stated.unwrap_or_default();
    let events: Vec<StatedEvent> =
        stated.iter().filter_map(Given::section).map(|event| mapping::read(event, &around)).collect();
    if !events.is_empty() && events.len() == stated.len() {
        every_record_has_its_place(&section, &around, &events);
    }
    let around = parity::Around { layout, events: &events };
    let parity = parity::read(section.section("parity"), &around);
    let id_place = section.place_of("id");
    let include = names.patterns.iter().map(|(text, place, _)| (text.clone(), place.clone())).collect();
    section.end();
    let settings = (|| {
        Some(FeedSettings {
            id: id.clone()?,
            department: department?.to_owned(),
            share: share.clone()?,
            place: place_of(bridge.shares.get(share.as_ref()?)?.as_ref()?, inbox.as_ref()?),
            inbox: inbox.clone()?,
            recursive,
            passed_over: Vec::new(),
            relay: match &relay {
                Some(relay) => Some(relay.settings.clone()?),
                None => None,
            },
            after: after?,
            include: names.patterns.into_iter().map(|(_, _, pattern)| pattern).collect(),
            exclude,
            layout: Arc::clone(layout?.layout.as_ref()?),
            repeat,
            corrections,
            sequence,
            expect,
            ready: ready?,
            poll,
            rejects,
            least_verdict,
            ignore,
            events: events.into_iter().map(|event| event.spec).collect::<Option<_>>()?,
            parity: Arc::new(parity?),
            keep_captures: of_store.keep_captures,
            store_quota: of_store.quota,
            retention: of_store.retention,
        })
    })();
    StatedFeed { id: id.map(|id| (id, id_place)), share, inbox, relay, moved_to, recursive, include, settings }
}

const VERDICTS: [(&str, Verdict); 3] = [
    ("exact", Verdict::Exact),
    ("exact-with-exceptions", Verdict::ExactWithExceptions),
    ("replay-only", Verdict::ReplayOnly),
];

/// Bad records are kept in the manifest, which must stay small.
const MOST_REJECTS: u64 = 1000;

/// `rejects = { max_records = 10, max_percent = 1 }`.
fn rejects(section: Section<'_>) -> Option<RejectLimit> {
    let max_records = section.number("max_records", 0..=MOST_REJECTS);
    let max_percent = section.number("max_percent", 0..=100);
    if !section.has("max_records") && !section.has("max_percent") {
        let message = "needs `max_records`, `max_percent`, or both";
        section.source().gathered().add(&section.place(), message, None);
    }
    section.end();
    // However large the file is, its manifest holds no more.
    Some(RejectLimit { max_records: Some(max_records.unwrap_or(MOST_REJECTS)), max_percent })
}

/// A list that may not be empty.
fn at_least_one<'a>(given: &Given<'a>, otherwise: &str) -> Vec<Given<'a>> {
    let elements = given.list();
    if elements.as_ref().is_some_and(Vec::is_empty) {
        given.problem(format!("is empty: {otherwise}"));
    }
    elements.unwrap_or_default()
}

/// A name that has to be stated elsewhere. Where nothing is stated at all, that was reported there.
pub(super) fn known<T>(given: &Given<'_>, what: &str, stated: &BTreeMap<String, T>) -> Option<String> {
    let name = given.text()?;
    if stated.is_empty() || stated.contains_key(&name) {
        return Some(name);
    }
    given.problem_with_hint(
        format!("no {what} `{name}` is stated"),
        suggestion(&name, stated.keys().map(String::as_str)),
    );
    None
}

/// A directory within the share, without `.` and doubled slashes.
pub(super) fn directory_in_share(given: &Given<'_>) -> Option<String> {
    let text = given.text()?;
    if text.starts_with('/') || text.split('/').any(|part| part == "..") {
        given.problem("must be a directory within the share: no leading `/`, no `..`");
        return None;
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    Some(parts.join("/"))
}

/// The names of a feed's files.
struct Names {
    patterns: Vec<(String, Place, NamePattern)>,
    /// Every pattern could be read, so that what they carry is known.
    complete: bool,
}

impl Names {
    fn read(section: &Section<'_>) -> Self {
        let given = section.need("include");
        let elements = given.map(|given| at_least_one(&given, "the feed would have no files")).unwrap_or_default();
        let patterns: Vec<_> = elements
            .iter()
            .filter_map(|element| {
                let (text, pattern) = readiness::file_name(element, NamePattern::parse)?;
                Some((text, element.place(), pattern))
            })
            .collect();
        Self { complete: !patterns.is_empty() && patterns.len() == elements.len(), patterns }
    }

    /// Every name carries it, as far as is known.
    fn all(&self, carries: impl Fn(&NamePattern) -> bool) -> bool {
        !self.complete || self.patterns.iter().all(|(_, _, pattern)| carries(pattern))
    }

    /// Some name carries it, as far as is known.
    fn any(&self, carries: impl Fn(&NamePattern) -> bool) -> bool {
        !self.complete || self.patterns.iter().any(|(_, _, pattern)| carries(pattern))
    }

    /// `repeat`, which is needed if and only if a name says nothing of which drop it is.
    fn repeat(&self, section: &Section<'_>) -> Option<Repeat> {
        let given = section.find("repeat");
        let repeat = given.as_ref().and_then(|given| given.word(&[("ignore", Repeat::Ignore), ("new", Repeat::New)]));
        if !self.complete {
            return repeat;
        }
        let bare = self.patterns.iter().find(|(_, _, pattern)| !pattern.has_date() && !pattern.has_sequence());
        match (bare, &given) {
            (Some((text, _, _)), None) => {
                let message = format!("is missing: `{text}` carries neither business date nor sequence number");
                let hint = "state whether the same bytes under the same name are the same drop (\"ignore\") or another \
                            one (\"new\")";
                section.problem("repeat", message, Some(hint.to_owned()));
            }
            (None, Some(given)) => {
                let message = "has no meaning here: each name says by date or sequence number which drop it is";
                given.problem_with_hint(message, Some("remove it".to_owned()));
            }
            _ => {}
        }
        repeat
    }

    /// `sequence = { reset = "wrap", last = 9999 }`; daily where names carry a date, otherwise never.
    fn sequence(&self, section: &Section<'_>) -> SequenceReset {
        #[derive(Clone, Copy, PartialEq)]
        enum Reset {
            Daily,
            Never,
            Wrap,
        }
        let dated = self.all(NamePattern::has_date);
        let default = if dated { SequenceReset::Daily } else { SequenceReset::Never };
        let Some(given) = section.find("sequence") else { return default };
        if self.complete && !self.patterns.iter().any(|(_, _, pattern)| pattern.has_sequence()) {
            given.problem("has no meaning here: no name carries {sequence}");
            return default;
        }
        let Some(table) = given.section() else { return default };
        let resets = [("daily", Reset::Daily), ("never", Reset::Never), ("wrap", Reset::Wrap)];
        let reset = table.need("reset").and_then(|given| given.word(&resets));
        let last = match reset {
            Some(Reset::Wrap) => table.need("last").and_then(|given| given.number(1..=999_999_999_999_999_999)),
            Some(_) => {
                table.refuse("last", "belongs to reset = \"wrap\" only");
                None
            }
            None => table.find("last").and(None),
        };
        if reset == Some(Reset::Daily) && !dated {
            table.problem("reset", "\"daily\" needs names that carry {business_date}", None);
        }
        table.end();
        match (reset, last) {
            (Some(Reset::Daily), _) => SequenceReset::Daily,
            (Some(Reset::Never), _) => SequenceReset::Never,
            (Some(Reset::Wrap), Some(last)) => SequenceReset::Wrap { last },
            _ => default,
        }
    }
}

/// Every detail record type leads an event, follows one kind of lead, or is ignored.
fn every_record_has_its_place(section: &Section<'_>, around: &Surroundings<'_>, events: &[StatedEvent]) {
    let Some(layout) = around.layout else { return };
    let gathered = section.source().gathered();
    let leads: BTreeSet<&str> = events.iter().filter_map(|event| event.lead.as_deref()).collect();
    let mut members: BTreeMap<&str, &str> = BTreeMap::new();
    for (event, (member, place)) in events.iter().flat_map(|event| event.members.iter().map(move |one| (event, one))) {
        let Some(lead) = event.lead.as_deref() else { continue };
        let first = *members.entry(member).or_insert(lead);
        if first != lead {
            let message = format!("`{member}` follows `{first}` in another event: it can belong to one lead only");
            gathered.add(place, message, None);
        }
        if leads.contains(member.as_str()) {
            gathered.add(place, format!("`{member}` leads another event: it cannot follow `{lead}` too"), None);
        }
    }
    let ignored = ignored(section, around, &leads, &members);
    if events.iter().any(|event| event.lead.is_none() || event.members_unknown) {
        return;
    }
    for record in layout.records.iter().filter(|record| record.role == Role::Detail) {
        let name = record.name.as_str();
        if !leads.contains(name) && !members.contains_key(name) && !ignored.contains(name) {
            let message = format!("record type `{name}` of layout `{}` makes no event", layout.name);
            let hint = format!("map it in an event, or add it: ignore = [\"{name}\"]");
            section.problem("ignore", message, Some(hint));
        }
    }
}

fn ignored(
    section: &Section<'_>,
    around: &Surroundings<'_>,
    leads: &BTreeSet<&str>,
    members: &BTreeMap<&str, &str>,
) -> BTreeSet<String> {
    let elements = section.find("ignore").and_then(|given| given.elements()).unwrap_or_default();
    let mut ignored = BTreeSet::new();
    for (given, name) in elements.iter().filter_map(|given| Some((given, given.as_text()?))) {
        let Some(record) = around.layout.and_then(|layout| mapping::record_type(given, layout, name)) else { continue };
        if record.role != Role::Detail {
            given.problem(format!("`{name}` is a header or trailer, which make no event anyway"));
        } else if leads.contains(name) || members.contains_key(name) {
            given.problem(format!("`{name}` is part of an event and ignored at the same time"));
        }
        ignored.insert(name.to_owned());
    }
    ignored
}
