//! `departments/*.toml`: a department, its feeds and its renderings.

use super::bridge::{Bridge, word_of_an_address};
use super::feed::{self, Layouts, StatedFeed};
use super::rendering::{self, StatedRendering};
use super::section::Source;

/// Reads one department's file.
pub(super) fn read(source: &Source<'_>, bridge: &Bridge, layouts: &Layouts) -> (Vec<StatedFeed>, Vec<StatedRendering>) {
    let root = source.root();
    let department = word_of_an_address(&root, "department");
    let feeds = root.sections("feed");
    let feeds = feeds.into_iter().map(|section| feed::read(section, department.as_deref(), bridge, layouts)).collect();
    let renderings = root.sections("rendering");
    let renderings = renderings.into_iter().map(|section| rendering::read(section, department.as_deref(), bridge));
    let renderings = renderings.collect();
    root.end();
    (feeds, renderings)
}
