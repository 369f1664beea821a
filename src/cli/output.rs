//! How commands show things: tables for people, one JSON object a line for machines.

use std::fmt;
use std::io::{IsTerminal, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;
use serde_json::json;

use crate::config::Problems;

pub(super) use crate::domain::quantity::show_size as size;

/// The widest table.
const TABLE_COLUMNS: u16 = 100;

/// What stands around the content of each column of a table.
const PADDING_COLUMNS: u16 = 2;

/// A column that can be broken at blanks is made no narrower than this before others have to give way.
const WRAPPED_COLUMNS: u16 = 16;

/// A first column up to this width is never broken: it has ids that people copy.
const UNBROKEN_COLUMNS: u16 = 40;

/// Where and how a command prints.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON object a line.
    pub json: bool,
}

impl Output {
    /// Prints text or JSON.
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a line of text; nothing where JSON is wanted.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn line(self, text: impl fmt::Display) -> anyhow::Result<()> {
        if !self.json {
            writeln!(std::io::stdout(), "{text}")?;
        }
        Ok(())
    }

    /// Prints text within 100 columns, broken at blanks; what is broken goes on below where it began behind `lead`. Nothing
    /// where JSON is wanted.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn paragraph(self, lead: &str, text: impl fmt::Display) -> anyhow::Result<()> {
        let indent = lead.chars().count();
        let lines = broken(&text.to_string(), usize::from(TABLE_COLUMNS).saturating_sub(indent));
        for (number, line) in lines.iter().enumerate() {
            let before = if number == 0 { lead.to_owned() } else { " ".repeat(indent) };
            self.line(format!("{before}{line}"))?;
        }
        Ok(())
    }

    /// Prints a JSON object; nothing where text is wanted.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn object(self, value: &impl Serialize) -> anyhow::Result<()> {
        if self.json {
            writeln!(std::io::stdout(), "{}", serde_json::to_string(value)?)?;
        }
        Ok(())
    }

    /// Prints rows as a table within 100 columns; nothing where JSON is wanted.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn table(self, header: &[&str], rows: Vec<Vec<String>>) -> anyhow::Result<()> {
        if self.json {
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(TABLE_COLUMNS).set_header(header.to_vec());
        let padding = padding(header, &rows);
        let widths = column_widths(header, &rows, padding);
        for row in rows {
            table.add_row(row);
        }
        for (column, width) in table.column_iter_mut().zip(widths) {
            column.set_padding((1, padding - 1));
            column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(width + padding)));
        }
        writeln!(std::io::stdout(), "{table}")?;
        Ok(())
    }

    /// Prints an error for a person or a machine, on standard error.
    pub fn error(self, error: &anyhow::Error) {
        if let Some(problems) = error.downcast_ref::<Problems>() {
            for problem in problems.as_slice() {
                if self.json {
                    eprintln!("{}", json!({ "error": "configuration", "problem": problem }));
                } else {
                    eprintln!("{problem}");
                }
            }
        } else if self.json {
            eprintln!("{}", json!({ "error": format!("{error:#}") }));
        } else {
            eprintln!("error: {error:#}");
        }
    }

    /// Whether a progress bar has somebody to look at it.
    #[must_use]
    pub fn shows_progress(self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }
}

/// Text as lines of so many characters at most, broken at blanks; a longer word has a line of its own.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last =
            lines.last_mut().filter(|line| line.is_empty() || line.chars().count() + 1 + word.chars().count() <= width);
        match last {
            Some(line) => {
                line.push_str(if line.is_empty() { "" } else { " " });
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// What stands around the content of each column: less where that keeps each row on one line.
fn padding(header: &[&str], rows: &[Vec<String>]) -> u16 {
    let wide = |index: usize| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
        cells.chain(header.get(index).map(|name| name.chars().count())).max().unwrap_or(0)
    };
    let content: usize = (0..header.len()).map(wide).sum();
    let fits = |padding: u16| content + header.len() * usize::from(padding) <= usize::from(TABLE_COLUMNS);
    if !fits(PADDING_COLUMNS) && fits(1) { 1 } else { PADDING_COLUMNS }
}

/// How wide the content of each column may be: as it is, and where that is too much, first what can be broken at
/// blanks gives way, then the widest.
fn column_widths(header: &[&str], rows: &[Vec<String>], padding: u16) -> Vec<u16> {
    let cells = |index: usize| rows.iter().filter_map(move |row| row.get(index).map(String::as_str));
    let columns = |index: usize| header.get(index).copied().into_iter().chain(cells(index));
    let wide = |text: &str| u16::try_from(text.chars().count()).unwrap_or(u16::MAX);
    let natural = (0..header.len()).map(|index| columns(index).map(wide).max().unwrap_or(0));
    let words =
        (0..header.len()).map(|index| columns(index).flat_map(str::split_whitespace).map(wide).max().unwrap_or(0));
    let mut widths: Vec<u16> = natural.collect();
    let at_blanks: Vec<u16> = words.map(|word| word.max(WRAPPED_COLUMNS)).collect();
    let mut at_all = vec![1; widths.len()];
    if let Some(first) = widths.first().filter(|first| **first <= UNBROKEN_COLUMNS) {
        at_all[0] = *first;
    }
    let room = TABLE_COLUMNS.saturating_sub(padding * u16::try_from(widths.len()).unwrap_or(u16::MAX));
    for least in [at_blanks, at_all] {
        while widths.iter().map(|width| u32::from(*width)).sum::<u32>() > u32::from(room) {
            let shrinkable = widths.iter_mut().zip(&least).filter(|(width, least)| **width > **least);
            let Some((widest, _)) = shrinkable.max_by_key(|(width, _)| **width) else { break };
            *widest -= 1;
        }
    }
    widths
}

/// A number of things: `1 event`, `2 events`.
#[must_use]
pub(super) fn counted(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_columns_of_a_table_give_way() {
        let row = |widths: &[usize]| widths.iter().map(|width| "x".repeat(*width)).collect::<Vec<String>>();
        let header = ["feed", "key", "reason"];
        assert_eq!(column_widths(&header, &[row(&[24, 15, 30])], 2), [24, 15, 30]);
        assert_eq!(column_widths(&header, &[row(&[24, 15, 300])], 2), [24, 15, 55]);
        assert_eq!(column_widths(&header, &[row(&[24, 80, 300]), row(&[30, 5, 5])], 2), [30, 32, 32]);
        assert_eq!(column_widths(&header, &[row(&[90, 90, 9])], 2), [43, 42, 9]);
        let blanks = vec!["x".repeat(24), "x".repeat(50), "some words ".repeat(9)];
        assert_eq!(column_widths(&header, &[blanks], 2), [24, 50, 20]);
        assert_eq!(column_widths(&header, &[], 2), [4, 3, 6]);
    }

    #[test]
    fn text_is_broken_at_blanks() {
        assert_eq!(broken("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(broken("aa bb cc", 8), ["aa bb cc"]);
        assert_eq!(broken("a-long-word b", 5), ["a-long-word", "b"]);
        assert_eq!(broken("", 5), [""]);
    }

    #[test]
    fn counts() {
        assert_eq!(
            [counted(0, "event"), counted(1, "event"), counted(2, "event")],
            ["0 events", "1 event", "2 events"]
        );
    }
}
