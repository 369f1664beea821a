//! A digest of a layout as it was stated, so that a changed layout is noticed.

use std::fmt::{Display, Write};

use sha2::{Digest, Sha256};

use super::{
    Align, ControlSpec, DiscriminatorSpec, FieldKind, FieldSpec, KindSpec, LayoutSpec, Presence, Quoting, RecordSpec,
    Role, Terminator, TotalSpec,
};

/// SHA-256, in hex, over a text form of the layout: a line `key length:value` for each setting, in a fixed order.
///
/// Digests are stored. What is written here must never change for a layout that exists: a new setting writes a line
/// only where it differs from its default.
pub(super) fn digest(spec: &LayoutSpec) -> String {
    let mut form = Form(String::new());
    form.line("name", &spec.name);
    form.line("version", spec.version);
    form.line("encoding", spec.encoding.as_str());
    form.line("terminator", terminator(spec.terminator));
    form.line("final_terminator", presence(spec.final_terminator));
    form.line("byte_order_mark", presence(spec.byte_order_mark));
    form.line("max_record_bytes", spec.max_record_bytes);
    form.kind(&spec.kind);
    match spec.discriminator {
        Some(DiscriminatorSpec::Column(column)) => form.line("discriminator.column", column),
        Some(DiscriminatorSpec::Bytes { start, width }) => form.line("discriminator.bytes", format!("{start} {width}")),
        None => {}
    }
    spec.records.iter().for_each(|record| form.record(record));
    spec.controls.iter().for_each(|control| form.control(control));
    let mut hex = String::new();
    for byte in Sha256::digest(form.0.as_bytes()) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

struct Form(String);

impl Form {
    fn line(&mut self, key: &str, value: impl Display) {
        let value = value.to_string();
        let _ = writeln!(self.0, "{key} {}:{value}", value.len());
    }

    fn kind(&mut self, kind: &KindSpec) {
        match kind {
            KindSpec::Delimited { delimiter, quote, quoting, column_names } => {
                self.line("delimited.delimiter", delimiter);
                self.line("delimited.quote", quote.map_or(String::new(), |quote| quote.to_string()));
                self.line("delimited.quoting", quoting_word(*quoting));
                self.line("delimited.column_names", column_names);
            }
            KindSpec::FixedWidth { record_bytes } => {
                self.line("fixed_width.record_bytes", record_bytes.map_or(String::new(), |bytes| bytes.to_string()));
            }
        }
    }

    fn record(&mut self, record: &RecordSpec) {
        self.line("record", &record.name);
        let role = match record.role {
            Role::Header => "header",
            Role::Detail => "detail",
            Role::Trailer => "trailer",
        };
        self.line("role", role);
        if let Some(matches) = &record.matches {
            self.line("match", matches);
        }
        record.fields.iter().for_each(|field| self.field(field));
    }

    fn field(&mut self, field: &FieldSpec) {
        self.line("field", &field.name);
        let kind = match &field.kind {
            FieldKind::Text => "text".to_owned(),
            FieldKind::Integer => "integer".to_owned(),
            FieldKind::Decimal { scale, implied, point } => format!("decimal {scale} {implied} {point}"),
            FieldKind::Date { format, pivot } => format!("date {pivot} {format}"),
            FieldKind::Constant { value } => format!("constant {value}"),
        };
        self.line("type", kind);
        if field.optional {
            self.line("optional", true);
        }
        for (key, number) in [("start", field.start), ("width", field.width), ("pad", field.pad.map(usize::from))] {
            if let Some(number) = number {
                self.line(key, number);
            }
        }
        if let Some(align) = field.align {
            self.line("align", if align == Align::Left { "left" } else { "right" });
        }
    }

    fn control(&mut self, control: &ControlSpec) {
        match &control.total {
            TotalSpec::Count(types) => {
                self.line("control.count", types.len());
                types.iter().for_each(|name| self.line("of", name));
            }
            TotalSpec::Sum(record, field) => {
                self.line("control.sum", record);
                self.line("of", field);
            }
        }
        self.line("equals", &control.equals.0);
        self.line("equals", &control.equals.1);
    }
}

const fn terminator(terminator: Terminator) -> &'static str {
    match terminator {
        Terminator::Lf => "lf",
        Terminator::CrLf => "crlf",
        Terminator::Cr => "cr",
    }
}

const fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Required => "required",
        Presence::Optional => "optional",
        Presence::Absent => "absent",
    }
}

const fn quoting_word(quoting: Quoting) -> &'static str {
    match quoting {
        Quoting::Minimal => "minimal",
        Quoting::All => "all",
        Quoting::None => "none",
    }
}
