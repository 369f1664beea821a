//! A digest of a layout as it was stated, so that a changed layout is noticed.

use sha2::{Digest, Sha256};

use super::LayoutSpec;
use crate::domain::hash::hex;

/// SHA-256, in hex, over the layout as JSON.
///
/// Digests are stored. What a layout that exists is written as must never change: names of settings and words in
/// [`super::spec`] stay, and a new setting is left out where it has its default.
pub(super) fn digest(spec: &LayoutSpec) -> String {
    // Neither a map with other keys than texts nor a failing writer is involved.
    let json = serde_json::to_vec(spec).unwrap_or_default();
    hex(&Sha256::digest(&json))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use crate::layout::tests::specs;

    /// If this fails, every file that is half published would be taken for one whose layout was changed.
    #[test]
    fn a_digest_stays_what_it_was() {
        let json = serde_json::to_string(&specs::single_text()).unwrap();
        let expected = concat!(
            r#"{"name":"test","version":1,"kind":{"Delimited":{"delimiter":",","quote":34,"escape":"Doubled","#,
            r#""quoting":"Minimal","column_names":"Absent"}},"encoding":"Utf8","terminator":"Lf","#,
            r#""final_terminator":"Optional","byte_order_mark":"Absent","max_record_bytes":200,"#,
            r#""records":[{"name":"row","role":"Detail","fields":[{"name":"value","type_word":"text"}]}]}"#,
        );
        assert_eq!(json, expected);
    }
}
