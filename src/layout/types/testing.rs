//! One field of a delimited layout, alone, for the tests of the types.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::layout::field::{Field, Surroundings};
use crate::layout::{DelimitedSpec, Encoding, FieldSpec};

use super::Written;

fn compile(spec: &FieldSpec) -> Result<Field, Vec<(&'static str, String)>> {
    let kind = DelimitedSpec::default();
    Field::compile(spec, Surroundings { delimited: Some(&kind), encoding: Encoding::Utf8, max_record_bytes: 1 << 20 })
}

fn compiled(spec: &FieldSpec) -> Field {
    compile(spec).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The canonical text of what is written; `(absent)` where it stands for nothing.
pub(super) fn parsed(spec: &FieldSpec, written: &str) -> Result<String, String> {
    let mut out = String::new();
    let written = Written { text: written, bytes: written.len(), quoted: false, clean: false, raw: None };
    match compiled(spec).parse(written, &mut out) {
        Ok(true) => Ok(out),
        Ok(false) => Ok("(absent)".to_owned()),
        Err(fault) => Err(fault.reason),
    }
}

/// How a canonical text is written; `(absent)` is how nothing is.
pub(super) fn rendered(spec: &FieldSpec, canonical: &str) -> Result<String, String> {
    let mut out = Vec::new();
    let value = (canonical != "(absent)").then_some(canonical);
    compiled(spec).render(value, Encoding::Utf8, &mut String::new(), &mut out)?;
    String::from_utf8(out).map_err(|error| error.to_string())
}

/// The key of the first problem of a field that cannot be compiled.
pub(super) fn problem(spec: &FieldSpec) -> &'static str {
    compile(spec).expect_err("it compiles")[0].0
}
