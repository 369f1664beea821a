//! A layout as TOML, its evidence as comments above each choice. `config/layout.rs` reads it back.

use std::fmt::Write as _;

use super::notes::{Notes, field_place, record_place};
use crate::layout::{
    Align, ColumnNames, ControlSpec, DelimitedSpec, DiscriminatorSpec, Encoding, EndPadding, Escape, FieldSpec,
    FixedWidthSpec, KindSpec, LayoutSpec, LinesSpec, Presence, Quoting, Ragged, RecordSpec, Role, Setting, Terminator,
    TotalSpec,
};

/// Comments are broken before this column.
const WIDEST: usize = 100;

/// The file.
pub(super) fn toml(spec: &LayoutSpec, notes: &Notes) -> String {
    let mut writer = Writer { out: String::new(), notes };
    writer.comment("", "");
    if !writer.out.is_empty() {
        writer.out.push('\n');
    }
    writer.whole(spec);
    writer.lines(&spec.lines);
    match &spec.kind {
        KindSpec::Delimited(kind) => writer.delimited(kind),
        KindSpec::FixedWidth(kind) => writer.fixed_width(kind),
    }
    if let Some(discriminator) = &spec.discriminator {
        writer.table("discriminator");
        match discriminator {
            DiscriminatorSpec::Column(column) => writer.pair("column", &column.to_string()),
            DiscriminatorSpec::Bytes { start, width } => {
                writer.pair("start", &start.to_string());
                writer.pair("width", &width.to_string());
            }
        }
    }
    spec.records.iter().for_each(|record| writer.record(record));
    spec.controls.iter().for_each(|control| writer.control(control));
    writer.out
}

struct Writer<'n> {
    out: String,
    notes: &'n Notes,
}

impl Writer<'_> {
    fn comment(&mut self, indent: &str, place: &str) {
        for sentence in self.notes.of(place) {
            let mut line = format!("{indent}#");
            for word in sentence.split_whitespace() {
                if line.chars().count() + 1 + word.chars().count() > WIDEST {
                    let _ = writeln!(self.out, "{line}");
                    line = format!("{indent}#");
                }
                line.push(' ');
                line.push_str(word);
            }
            let _ = writeln!(self.out, "{line}");
        }
    }

    fn table(&mut self, name: &str) {
        self.out.push('\n');
        self.comment("", name);
        let _ = writeln!(self.out, "[{name}]");
    }

    fn pair(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.out, "{key} = {value}");
    }

    /// A key with its evidence, which is filed under `place`.
    fn noted(&mut self, place: &str, key: &str, value: &str) {
        self.comment("", place);
        self.pair(key, value);
    }

    fn whole(&mut self, spec: &LayoutSpec) {
        self.pair("name", &text(&spec.name));
        self.pair("version", &spec.version.to_string());
        let kind = match spec.kind {
            KindSpec::Delimited(_) => "delimited",
            KindSpec::FixedWidth(_) => "fixed-width",
        };
        self.pair("kind", &text(kind));
        self.noted("encoding", "encoding", &text(encoding_word(spec.encoding)));
        self.noted("terminator", "terminator", &text(terminator_word(spec.terminator)));
        self.noted("final_terminator", "final_terminator", &text(presence_word(spec.final_terminator)));
        self.noted("byte_order_mark", "byte_order_mark", &text(presence_word(spec.byte_order_mark)));
        if spec.max_record_bytes != 1 << 20 {
            self.noted("max_record_bytes", "max_record_bytes", &spec.max_record_bytes.to_string());
        }
        if !spec.padding_at_end.is_empty() {
            let words = spec.padding_at_end.iter().map(|padding| match padding {
                EndPadding::CtrlZ => "ctrl-z",
                EndPadding::Nul => "nul",
            });
            self.noted("padding_at_end", "padding_at_end", &list(words));
        }
    }

    fn lines(&mut self, lines: &LinesSpec) {
        if *lines == LinesSpec::default() {
            return;
        }
        self.table("lines");
        for (key, count) in [("preamble", lines.preamble), ("footer", lines.footer)] {
            if count > 0 {
                self.noted(&format!("lines.{key}"), key, &count.to_string());
            }
        }
        if let Some(comment) = &lines.comment {
            self.noted("lines.comment", "comment", &text(comment));
        }
        for (key, is_so) in [("blank", lines.blank), ("repeated_names", lines.repeated_names)] {
            if is_so {
                self.noted(&format!("lines.{key}"), key, "true");
            }
        }
    }

    fn delimited(&mut self, kind: &DelimitedSpec) {
        self.table("delimited");
        self.noted("delimited.delimiter", "delimiter", &text(&kind.delimiter));
        let quote = kind.quote.map(|quote| char::from(quote).to_string()).unwrap_or_default();
        self.noted("delimited.quote", "quote", &text(&quote));
        let escape = match kind.escape {
            Escape::Doubled => "doubled",
            Escape::Backslash => "backslash",
            Escape::None => "none",
        };
        if kind.quote.is_some() || kind.escape != Escape::Doubled {
            self.noted("delimited.escape", "escape", &text(escape));
        }
        self.noted("delimited.quoting", "quoting", &text(quoting_word(kind.quoting)));
        let names = match kind.column_names {
            ColumnNames::Absent => "absent",
            ColumnNames::Exact => "exact",
            ColumnNames::AnyOrder => "any-order",
            ColumnNames::Optional => "optional",
        };
        self.noted("delimited.column_names", "column_names", &text(names));
        if !kind.trailing_delimiter.is_absent() {
            let word = text(presence_word(kind.trailing_delimiter));
            self.noted("delimited.trailing_delimiter", "trailing_delimiter", &word);
        }
        self.ragged("delimited.ragged", kind.ragged);
        if !kind.null.is_empty() {
            self.noted("delimited.null", "null", &list(kind.null.iter().map(String::as_str)));
        }
    }

    fn fixed_width(&mut self, kind: &FixedWidthSpec) {
        self.table("fixed_width");
        if let Some(bytes) = kind.record_bytes {
            self.noted("fixed_width.record_bytes", "record_bytes", &bytes.to_string());
        }
        if kind.trimmed {
            self.noted("fixed_width.trimmed", "trimmed", "true");
        }
        if kind.keep_filler {
            self.noted("fixed_width.keep_filler", "keep_filler", "true");
        }
        self.ragged("fixed_width.ragged", kind.ragged);
    }

    fn ragged(&mut self, place: &str, ragged: Ragged) {
        let words = [("short", ragged.short), ("long", ragged.long)];
        let words: Vec<&str> = words.into_iter().filter(|(_, is_so)| *is_so).map(|(word, _)| word).collect();
        if !words.is_empty() {
            self.noted(place, "ragged", &list(words.into_iter()));
        }
    }

    fn record(&mut self, record: &RecordSpec) {
        self.out.push('\n');
        self.comment("", &record_place(&record.name));
        self.out.push_str("[[record]]\n");
        self.pair("name", &text(&record.name));
        match record.role {
            Role::Header => self.pair("role", "\"header\""),
            Role::Trailer => self.pair("role", "\"trailer\""),
            Role::Detail => {}
        }
        if let Some(mark) = &record.matches {
            self.pair("match", &text(mark));
        }
        if let Some(parent) = &record.parent {
            self.pair("parent", &text(parent));
        }
        self.out.push_str("field = [\n");
        for field in &record.fields {
            self.comment("  ", &field_place(&record.name, &field.name));
            let _ = writeln!(self.out, "  {{ {} }},", pairs(field).join(", "));
        }
        self.out.push_str("]\n");
    }

    fn control(&mut self, control: &ControlSpec) {
        let equals = format!("{}.{}", control.equals.0, control.equals.1);
        self.out.push('\n');
        self.comment("", &format!("control.{equals}"));
        self.out.push_str("[[control]]\n");
        let name = |(record, field): &(String, String)| format!("{record}.{field}");
        match &control.total {
            TotalSpec::Count(records) => self.pair("count", &list(records.iter().map(String::as_str))),
            TotalSpec::Sum { fields, .. } => {
                let fields: Vec<String> = fields.iter().map(name).collect();
                self.pair("sum", &list(fields.iter().map(String::as_str)));
            }
            TotalSpec::Hash { fields, digits } => {
                let fields: Vec<String> = fields.iter().map(name).collect();
                self.pair("hash", &list(fields.iter().map(String::as_str)));
                self.pair("digits", &digits.to_string());
            }
            TotalSpec::Same(field) => self.pair("same", &text(&name(field))),
        }
        self.pair("equals", &text(&equals));
    }
}

fn pairs(field: &FieldSpec) -> Vec<String> {
    let mut pairs = vec![format!("name = {}", text(&field.name)), format!("type = {}", text(&field.type_word))];
    let mut add = |key: &str, value: Option<String>| pairs.extend(value.map(|value| format!("{key} = {value}")));
    add("start", field.start.map(|start| start.to_string()));
    add("width", field.width.map(|width| width.to_string()));
    for (key, setting) in &field.settings {
        add(key, Some(setting_value(setting)));
    }
    add("pad", field.pad.map(|pad| text(&char::from(pad).to_string())));
    add("align", field.align.map(|align| text(if align == Align::Left { "left" } else { "right" })));
    add("optional", field.optional.then(|| "true".to_owned()));
    add("null", (!field.null.is_empty()).then(|| list(field.null.iter().map(String::as_str))));
    add("quoted", field.quoted.map(|quoted| quoted.to_string()));
    add("column_name", field.column_name.as_deref().map(text));
    add("masked", field.masked.then(|| "true".to_owned()));
    pairs
}

fn setting_value(setting: &Setting) -> String {
    match setting {
        Setting::Text(value) => text(value),
        Setting::Number(number) => number.to_string(),
        Setting::Flag(flag) => flag.to_string(),
        Setting::Texts(texts) => list(texts.iter().map(String::as_str)),
        Setting::Table(pairs) => {
            let pairs: Vec<String> =
                pairs.iter().map(|(key, value)| format!("{} = {}", text(key), text(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

/// A basic string, on one line.
fn text(value: &str) -> String {
    let mut out = String::from("\"");
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            character if character.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(character));
            }
            character => out.push(character),
        }
    }
    out.push('"');
    out
}

fn list<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    format!("[{}]", texts.map(text).collect::<Vec<_>>().join(", "))
}

const fn encoding_word(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Utf8 => "utf-8",
        Encoding::Utf16Le => "utf-16le",
        Encoding::Utf16Be => "utf-16be",
        Encoding::Latin1 => "latin-1",
        Encoding::Cp1252 => "cp1252",
        Encoding::Cp850 => "cp850",
        Encoding::Cp437 => "cp437",
    }
}

const fn terminator_word(terminator: Terminator) -> &'static str {
    match terminator {
        Terminator::Lf => "lf",
        Terminator::CrLf => "crlf",
        Terminator::Cr => "cr",
        Terminator::Mixed => "mixed",
        Terminator::None => "none",
    }
}

const fn presence_word(presence: Presence) -> &'static str {
    match presence {
        Presence::Required => "required",
        Presence::Optional => "optional",
        Presence::Absent => "absent",
    }
}

/// The word for a quoting policy.
pub(super) const fn quoting_word(quoting: Quoting) -> &'static str {
    match quoting {
        Quoting::Minimal => "minimal",
        Quoting::All => "all",
        Quoting::NonNumeric => "non-numeric",
        Quoting::NonEmpty => "non-empty",
        Quoting::None => "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_on_one_line() {
        for (value, written) in [
            ("a", "\"a\""),
            ("\"", "\"\\\"\""),
            ("\\", "\"\\\\\""),
            ("\t\u{1}", "\"\\t\\u0001\""),
            ("é\n", "\"é\\u000A\""),
        ] {
            assert_eq!(text(value), written);
        }
        assert_eq!(list(["a", "b"].into_iter()), "[\"a\", \"b\"]");
    }
}
