//! What a benchmark came to: shown, and written into `docs/performance.md` between markers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::figures::{cost, cut};
use crate::workspace;

/// The outcome of one benchmark.
pub(crate) struct Section {
    /// Names the markers in the document.
    pub(crate) id: &'static str,
    pub(crate) text: String,
}

/// A table as Markdown that is readable as it stands.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or(3)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let cells: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = line(head.to_vec());
    text += &line(rule.iter().map(String::as_str).collect());
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}

/// A target of which more is better.
pub(crate) fn at_least(what: &str, target: f64, measured: f64, unit: &str) -> String {
    let word = if measured >= target { "met" } else { "**missed**" };
    format!("- {what}: at least {target}{unit}; measured {}{unit}: {word}\n", cut(measured, 2))
}

/// A target of which less is better.
pub(crate) fn at_most(what: &str, target: f64, measured: f64, unit: &str) -> String {
    let word = if measured <= target { "met" } else { "**missed**" };
    format!("- {what}: at most {target}{unit}; measured {}{unit}: {word}\n", cost(measured, 2))
}

/// The document.
pub(crate) fn document() -> PathBuf {
    workspace::root().join("docs/performance.md")
}

/// Shows a section, and writes it into the document where that is asked for.
pub(crate) fn tell(section: &Section, write_too: bool) -> Result<()> {
    println!("\n== {}\n\n{}", section.id, section.text.trim_end());
    if write_too { write(section, &document()) } else { Ok(()) }
}

/// Puts a section into the document, in the place of the one before.
fn write(section: &Section, path: &Path) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let text = replace(&text, section.id, &section.text).with_context(|| path.display().to_string())?;
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

fn replace(document: &str, id: &str, text: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- bench {id} -->\n"), format!("<!-- end of {id} -->"));
    let Some((before, rest)) = document.split_once(&begin) else { bail!("no line `{}`", begin.trim()) };
    let Some((_, after)) = rest.split_once(&end) else { bail!("no line `{end}`") };
    ensure!(!after.contains(&begin), "`{}` stands there twice", begin.trim());
    Ok(format!("{before}{begin}{}\n{end}{after}", text.trim_end().to_owned() + "\n"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_section_takes_the_place_of_the_one_before() {
        let document = "a\n<!-- bench x -->\nold\n<!-- end of x -->\nb\n";
        let once = replace(document, "x", "new\n").unwrap();
        assert_eq!(once, "a\n<!-- bench x -->\nnew\n\n<!-- end of x -->\nb\n");
        assert_eq!(replace(&once, "x", "new").unwrap(), once);
        assert!(replace(document, "y", "new").is_err());
    }

    #[test]
    fn a_target_that_is_missed_by_little_is_missed() {
        assert!(at_least("rate", 0.6, 0.599_99, "").contains("measured 0.59: **missed**"));
        assert!(at_most("processor", 2.5, 2.500_1, "").contains("measured 2.51: **missed**"));
    }

    #[test]
    fn the_document_has_a_place_for_each_section() {
        let text = fs::read_to_string(document()).unwrap();
        for id in super::super::forward::SECTIONS.into_iter().chain(super::super::reverse::SECTIONS) {
            assert!(replace(&text, id, "x").is_ok(), "docs/performance.md has no place for `{id}`");
        }
    }
}
