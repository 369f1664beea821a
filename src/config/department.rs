//! `departments/*.toml`: a department, its feeds, its renderings, and what is demanded before it is cut over.

use super::bridge::{Bridge, word_of_an_address};
use super::cutover::{self, StatedGates};
use super::feed::{self, Layouts, StatedFeed};
use super::rendering::{self, StatedRendering};
use super::section::Source;

/// What a department's file says.
pub(super) struct StatedDepartment {
    pub(super) feeds: Vec<StatedFeed>,
    pub(super) renderings: Vec<StatedRendering>,
    pub(super) gates: Option<StatedGates>,
}

/// Reads one department's file.
pub(super) fn read(source: &Source<'_>, bridge: &Bridge, layouts: &Layouts) -> StatedDepartment {
    let root = source.root();
    let department = word_of_an_address(&root, "department");
    let feeds = root.sections("feed");
    let feeds = feeds.into_iter().map(|section| feed::read(section, department.as_deref(), bridge, layouts)).collect();
    let renderings = root.sections("rendering");
    let renderings = renderings.into_iter().map(|section| rendering::read(section, department.as_deref(), bridge));
    let renderings = renderings.collect();
    let gates = root.section("cutover").and_then(|section| cutover::read(section, department.as_deref()));
    root.end();
    StatedDepartment { feeds, renderings, gates }
}
