//! Names of record types and fields, made from what samples call them.

use std::collections::BTreeSet;

use crate::layout::{DelimitedSpec, Encoding, FieldSpec, KindSpec, Layout, LayoutSpec, Parser, Record, RecordSpec};
use crate::layout::{Escape, LinesSpec, Presence, Quoting, Role, Terminator};

/// A column's name as the layout calls it: small letters, digits and underlines.
pub(super) fn field_name(column_name: &str) -> String {
    let mut name = String::new();
    for character in column_name.chars() {
        if character.is_alphanumeric() {
            name.extend(character.to_lowercase());
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    name.truncate(name.trim_end_matches('_').len());
    name
}

/// Names for columns, each unique: what the line of column names says, or their numbers.
pub(super) fn field_names(columns: usize, column_names: Option<&[String]>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut names = Vec::new();
    for index in 0..columns {
        let stated = column_names.and_then(|names| names.get(index)).map(|name| field_name(name));
        let base = stated.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("column_{}", index + 1));
        let mut name = base.clone();
        let mut count = 1;
        while !taken.insert(name.clone()) {
            count += 1;
            name = format!("{base}_{count}");
        }
        names.push(name);
    }
    names
}

/// What a record type with this mark is called.
pub(super) fn record_name(mark: &str, role: Role) -> String {
    match role {
        Role::Header => "header".to_owned(),
        Role::Trailer => "trailer".to_owned(),
        Role::Detail => format!("type_{}", mark.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "_")),
    }
}

/// Bytes of a sample as text; `None` where they are none.
pub(super) fn text(encoding: Encoding, bytes: &[u8]) -> Option<String> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && (text.is_ascii() || is_unicode(encoding))
    {
        return Some(text.to_owned());
    }
    // The parser knows code pages: it reads them as a record of one field.
    let spec = LayoutSpec {
        name: "text".to_owned(),
        version: 1,
        kind: KindSpec::Delimited(DelimitedSpec {
            delimiter: "\u{1}".to_owned(),
            quote: None,
            escape: Escape::None,
            quoting: Quoting::None,
            ..DelimitedSpec::default()
        }),
        encoding: if is_unicode(encoding) { Encoding::Utf8 } else { encoding },
        terminator: Terminator::Lf,
        final_terminator: Presence::Optional,
        byte_order_mark: Presence::Absent,
        max_record_bytes: bytes.len() + 1,
        lines: LinesSpec::default(),
        padding_at_end: Vec::new(),
        discriminator: None,
        records: vec![RecordSpec {
            name: "text".to_owned(),
            role: Role::Detail,
            matches: None,
            parent: None,
            min: 0,
            max: None,
            fields: vec![FieldSpec::new("text", "text")],
        }],
        controls: Vec::new(),
    };
    let layout = Layout::compile(spec).ok()?;
    let mut record = Record::new();
    let found = Parser::new(&layout, bytes).read(&mut record).ok()?;
    found.then(|| record.get(0).map(str::to_owned)).flatten()
}

fn is_unicode(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::Utf8 | Encoding::Utf16Le | Encoding::Utf16Be)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_what_columns_are_called() {
        for (column, name) in [
            ("bid_no", "bid_no"),
            ("Unit Price (EUR)", "unit_price_eur"),
            ("#id", "id"),
            ("Größe", "größe"),
            ("--", ""),
        ] {
            assert_eq!(field_name(column), name);
        }
        let columns = ["A", "a", "", "b"].map(str::to_owned);
        assert_eq!(field_names(5, Some(&columns)), ["a", "a_2", "column_3", "b", "column_5"]);
    }

    #[test]
    fn code_pages_are_read() {
        assert_eq!(text(Encoding::Cp1252, b"\x80").as_deref(), Some("€"));
        assert_eq!(text(Encoding::Cp850, b"\x81").as_deref(), Some("ü"));
        assert_eq!(text(Encoding::Utf8, "ü".as_bytes()).as_deref(), Some("ü"));
        assert_eq!(text(Encoding::Utf8, b"\xFF"), None);
    }
}
