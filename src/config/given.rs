//! One value of a configuration file, with its place; asked for as what it should be.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml_edit::{Item, TableLike, Value};

use crate::domain::quantity::{parse_size, parse_time};

use super::problems::Place;
use super::section::{Section, Source};

/// What a value is.
#[derive(Clone, Copy)]
pub(super) enum Form<'a> {
    Text(&'a str),
    Integer(i64),
    Decimal,
    Flag(bool),
    Date(&'a toml_edit::Datetime),
    List(&'a toml_edit::Array),
    Tables(&'a toml_edit::ArrayOfTables),
    Table(&'a dyn TableLike),
}

impl<'a> Form<'a> {
    /// What an item of a table is.
    pub(super) fn of_item(item: &'a Item) -> Self {
        match item {
            Item::Value(value) => Self::of_value(value),
            Item::ArrayOfTables(tables) => Self::Tables(tables),
            Item::Table(table) => Self::Table(table),
            // A parsed document holds no empty item; an empty text is the nearest thing to one.
            Item::None => Self::Text(""),
        }
    }

    fn of_value(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.value()),
            Value::Integer(number) => Self::Integer(*number.value()),
            Value::Float(_) => Self::Decimal,
            Value::Boolean(flag) => Self::Flag(*flag.value()),
            Value::Datetime(date) => Self::Date(date.value()),
            Value::Array(array) => Self::List(array),
            Value::InlineTable(table) => Self::Table(table),
        }
    }

    const fn describe(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Decimal => "a number with a point",
            Self::Flag(_) => "true or false",
            Self::Date(_) => "a date",
            Self::List(_) | Self::Tables(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// A value as it was given, with its place.
pub(super) struct Given<'a> {
    source: &'a Source<'a>,
    path: String,
    line: usize,
    form: Form<'a>,
}

impl<'a> Given<'a> {
    /// A value of a file under its whole key.
    pub(super) const fn new(source: &'a Source<'a>, path: String, line: usize, form: Form<'a>) -> Self {
        Self { source, path, line, form }
    }

    /// Its line, from 1.
    pub(super) const fn line(&self) -> usize {
        self.line
    }

    /// A text.
    pub(super) fn text(&self) -> Option<String> {
        match self.form {
            Form::Text(text) => Some(text.to_owned()),
            _ => self.wrong_type("text"),
        }
    }

    /// A text, without complaint where it is something else.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        match self.form {
            Form::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, without complaint where it is something else.
    pub(super) fn as_integer(&self) -> Option<i64> {
        match self.form {
            Form::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// A date or time that stands without quotes, as it is written, without complaint where it is something else.
    pub(super) fn as_date(&self) -> Option<String> {
        match self.form {
            Form::Date(date) => Some(date.to_string()),
            _ => None,
        }
    }

    /// A truth value, without complaint where it is something else.
    pub(super) fn as_flag(&self) -> Option<bool> {
        match self.form {
            Form::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    /// A table, without complaint where it is something else.
    pub(super) fn as_section(&self) -> Option<Section<'a>> {
        match self.form {
            Form::Table(table) => Some(Section::of(self.source, self.path.clone(), self.line, table)),
            _ => None,
        }
    }

    /// The elements of a list, without complaint where it is something else.
    pub(super) fn elements(&self) -> Option<Vec<Given<'a>>> {
        let element = |index: usize, span, form| {
            let line = self.source.line_of(span).unwrap_or(self.line);
            Given { source: self.source, path: format!("{}[{}]", self.path, index + 1), line, form }
        };
        match self.form {
            Form::List(array) => Some(
                array.iter().enumerate().map(|(i, value)| element(i, value.span(), Form::of_value(value))).collect(),
            ),
            Form::Tables(tables) => {
                Some(tables.iter().enumerate().map(|(i, table)| element(i, table.span(), Form::Table(table))).collect())
            }
            _ => None,
        }
    }

    /// A whole number within a range.
    pub(super) fn number(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let Form::Integer(number) = self.form else { return self.wrong_type("a whole number") };
        let within = u64::try_from(number).ok().filter(|number| range.contains(number));
        if within.is_none() {
            self.problem(format!("must be from {} to {}, is {number}", range.start(), range.end()));
        }
        within
    }

    /// A number of bytes, written as `50 GiB`.
    pub(super) fn size(&self) -> Option<u64> {
        parse_size(&self.text()?).map_err(|message| self.problem(message)).ok()
    }

    /// A length of time, written as `90 days`.
    pub(super) fn time(&self) -> Option<Duration> {
        parse_time(&self.text()?).map_err(|message| self.problem(message)).ok()
    }

    /// A truth value.
    pub(super) fn flag(&self) -> Option<bool> {
        self.as_flag().or_else(|| self.wrong_type("true or false"))
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let known: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.problem(format!("`{text}` is none of {}", known.join(", ")));
        }
        found
    }

    /// A list.
    pub(super) fn list(&self) -> Option<Vec<Given<'a>>> {
        self.elements().or_else(|| self.wrong_type("a list"))
    }

    /// A list of texts.
    pub(super) fn texts(&self) -> Vec<String> {
        self.list().unwrap_or_default().iter().filter_map(Given::text).collect()
    }

    /// A table.
    pub(super) fn section(&self) -> Option<Section<'a>> {
        self.as_section().or_else(|| self.wrong_type("a table"))
    }

    /// Its place.
    pub(super) fn place(&self) -> Place {
        self.source.place(self.line, self.path.clone())
    }

    /// The file it stands in.
    pub(super) fn source(&self) -> &'a Source<'a> {
        self.source
    }

    /// What it is, for messages.
    pub(super) fn describe(&self) -> &'static str {
        self.form.describe()
    }

    /// Reports a problem with this value.
    pub(super) fn problem(&self, message: impl Into<String>) {
        self.source.gathered().add(&self.place(), message, None);
    }

    /// Reports a problem with this value, and what to do about it.
    pub(super) fn problem_with_hint(&self, message: impl Into<String>, hint: Option<String>) {
        self.source.gathered().add(&self.place(), message, hint);
    }

    fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        self.problem(format!("must be {wanted}, not {}", self.form.describe()));
        None
    }
}
