//! Configuration: from files to [`Settings`] that cannot be wrong any more, or to every [`Problem`] at once.
//!
//! `bridge.toml` names the departments' and layouts' files. Each file is read by the module of its name through
//! `section` and `given`, which know lines, types and unknown keys; what only shows across files is checked in
//! `places`. Nothing is written, and nothing outside of the configuration is opened but secrets that it names.

mod address;
mod bridge;
mod calendar;
mod cutover;
mod department;
mod expect;
mod feed;
mod ftp_share;
mod given;
mod http;
mod layout;
mod mapping;
mod outbox;
mod parity;
mod places;
mod problems;
mod readiness;
mod rendering;
mod schema;
mod secret;
mod section;
pub mod settings;
mod share;
mod smb_share;
mod store;
#[cfg(test)]
mod tests;
mod traces;
mod window;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cutover::Gates;
use crate::domain::name_pattern::Wildcard;
use crate::layout::Layout;

pub(crate) use problems::suggestion;
pub use problems::{Problem, Problems};
pub use settings::Settings;

use bridge::Bridge;
use department::StatedDepartment;
use feed::{Layouts, StatedFeed};
use problems::{Gathered, Place};
use rendering::StatedRendering;
use section::Source;

/// Reads `bridge.toml` and everything that it names.
///
/// # Errors
/// Every problem of every file.
pub fn load(path: &Path) -> Result<Settings, Problems> {
    let gathered = Gathered::default();
    match read(path, &gathered) {
        Some(settings) if gathered.is_empty() => Ok(settings),
        _ => Err(unexplained_at_least(gathered, path)),
    }
}

/// Reads one layout file alone, without the bridge that it belongs to.
///
/// # Errors
/// Every problem of the file, each with its line and key.
pub fn layout_file(path: &Path) -> Result<Arc<Layout>, Problems> {
    one_layout(path, |gathered| Source::read(path, gathered))
}

/// Reads a layout from the text of a file of this name (`bids.toml`), which need not exist.
///
/// # Errors
/// As [`layout_file`].
pub fn layout_from_text(file_name: &str, text: &str) -> Result<Arc<Layout>, Problems> {
    let path = Path::new(file_name);
    one_layout(path, |gathered| Source::of_text(path, text, gathered))
}

fn one_layout(
    path: &Path,
    read: impl for<'a> FnOnce(&'a Gathered) -> Option<Source<'a>>,
) -> Result<Arc<Layout>, Problems> {
    let gathered = Gathered::default();
    let layout = read(&gathered).and_then(|source| layout::read(&source, path).1?.layout);
    match layout {
        Some(layout) if gathered.is_empty() => Ok(layout),
        _ => Err(unexplained_at_least(gathered, path)),
    }
}

/// The problems; where there are none, that nobody knows why the file cannot be used.
fn unexplained_at_least(gathered: Gathered, path: &Path) -> Problems {
    if gathered.is_empty() {
        let place = Place { file: path.display().to_string().into(), line: None, key: String::new() };
        gathered.add(&place, "cannot be used, for a reason that was not noticed: please report it", None);
    }
    gathered.into_problems()
}

fn read(path: &Path, gathered: &Gathered) -> Option<Settings> {
    let source = Source::read(path, gathered)?;
    let bridge = bridge::read(&source);
    let layouts = layouts(&source, &bridge, gathered);
    let (mut feeds, mut renderings, mut gates) = (Vec::new(), Vec::new(), Vec::new());
    for department in departments(&source, &bridge, &layouts, gathered) {
        feeds.extend(department.feeds);
        renderings.extend(department.renderings);
        gates.extend(department.gates);
    }
    places::check(&bridge, &feeds, &renderings, gathered);
    let feeds = places::pass_over(&bridge, feeds);
    settings(path, bridge, feeds, renderings, cutover::by_department(gates, gathered))
}

fn settings(
    path: &Path,
    bridge: Bridge,
    feeds: Vec<StatedFeed>,
    renderings: Vec<StatedRendering>,
    gates: BTreeMap<String, Gates>,
) -> Option<Settings> {
    let renderings =
        renderings.into_iter().map(|rendering| rendering.settings(&bridge, &feeds)).collect::<Option<_>>()?;
    Some(Settings {
        source: path.to_path_buf(),
        name: bridge.name?,
        state: bridge.state?.0,
        store: bridge.store?.0,
        log: bridge.log?.0,
        topics: bridge.topics,
        transaction: bridge.transaction,
        takeover_after: bridge.takeover_after,
        calendars: bridge
            .calendars
            .into_iter()
            .map(|(name, calendar)| Some((name, calendar?)))
            .collect::<Option<_>>()?,
        http: bridge.http,
        traces: bridge.traces,
        shares: bridge.shares.into_iter().map(|(name, share)| Some((name, share?))).collect::<Option<_>>()?,
        events: bridge.events.into_iter().map(|(name, event)| Some((name, event?))).collect::<Option<_>>()?,
        feeds: feeds.into_iter().map(|feed| feed.settings.map(Arc::new)).collect::<Option<_>>()?,
        renderings,
        gates,
    })
}

fn layouts(source: &Source<'_>, bridge: &Bridge, gathered: &Gathered) -> Layouts {
    let mut layouts = Layouts::new();
    let mut names: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in files(source, bridge.layouts.as_ref(), gathered) {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let file = Source::read(&path, gathered);
        let (name, layout) = file.as_ref().map_or((None, None), |file| layout::read(file, &path));
        if let (Some(name), Some(file)) = (&name, &file) {
            if let Some(first) = names.get(name) {
                let message = format!("layout `{name}` is stated in {} already", first.display());
                gathered.add(&file.locate("name"), message, None);
            }
            names.insert(name.clone(), path.clone());
        }
        // Feeds may know it by either name: that they differ is reported once.
        layouts.entry(stem.clone()).or_insert(None);
        layouts.insert(name.unwrap_or(stem), layout);
    }
    layouts
}

/// All departments.
fn departments(source: &Source<'_>, bridge: &Bridge, layouts: &Layouts, gathered: &Gathered) -> Vec<StatedDepartment> {
    let paths = files(source, bridge.departments.as_ref(), gathered);
    let sources = paths.iter().filter_map(|path| Source::read(path, gathered));
    sources.map(|source| department::read(&source, bridge, layouts)).collect()
}

/// The files that a pattern such as `departments/*.toml` means, by name; none is a problem.
fn files(source: &Source<'_>, pattern: Option<&(String, Place)>, gathered: &Gathered) -> Vec<PathBuf> {
    let Some((pattern, place)) = pattern else { return Vec::new() };
    match matching(source.directory(), pattern) {
        Ok(files) if files.is_empty() => {
            gathered.add(place, format!("`{pattern}` matches no file"), None);
            files
        }
        Ok(files) => files,
        Err(message) => {
            gathered.add(place, message, None);
            Vec::new()
        }
    }
}

fn matching(base: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let (directory, names) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    if directory.contains(['*', '?']) {
        return Err(format!("`{pattern}`: `*` and `?` can stand in the file's name only"));
    }
    let wildcard = Wildcard::parse(names)?;
    let directory = base.join(directory);
    let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
    let entries = match std::fs::read_dir(listed) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{} cannot be listed: {error}", directory.display())),
    };
    let mut files = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| format!("{} cannot be listed: {error}", directory.display()))?.file_name();
        if wildcard.matches(name.as_encoded_bytes()) {
            files.push(directory.join(name));
        }
    }
    files.sort();
    Ok(files)
}
