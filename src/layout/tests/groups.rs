//! Masters and members, and records that no other type takes.

use super::specs::*;
use super::*;

/// `O|lines`, below it one to three `L|amount`, below that any number of `X|rate`; all else is a note.
pub(super) fn orders() -> LayoutSpec {
    let order = record("order", Role::Detail, Some("O"), vec![constant("O"), field("lines", integer())]);
    let mut line = record("line", Role::Detail, Some("L"), vec![constant("L"), field("amount", integer())]);
    (line.parent, line.min, line.max) = (Some("order".to_owned()), 1, Some(3));
    let mut tax = record("tax", Role::Detail, Some("X"), vec![constant("X"), field("rate", integer())]);
    tax.parent = Some("line".to_owned());
    let note = record("note", Role::Detail, None, vec![field("text", text())]);
    with(delimited(), |spec| (spec.records, spec.controls) = (vec![order, line, tax, note], Vec::new()))
}

#[test]
fn members_stand_below_their_masters() {
    assert_files(
        &orders(),
        &[
            ("O|1\nL|5\nX|7\nX|8\nL|6\nO|2\nL|9\n", "O|1 / L|5 / X|7 / X|8 / L|6 / O|2 / L|9", &[]),
            ("a note\nO|1\nL|5\nanother\n", "a note / O|1 / L|5 / another", &[]),
            ("", "", &[]),
        ],
    );
    assert_refused(
        &orders(),
        &[
            ("L|5\n", RejectCode::Order, 0, "follow a record of type `order`"),
            ("O|1\nX|5\n", RejectCode::Order, 0, "at least 1 of type `line`"),
            ("O|1\nO|2\nL|1\n", RejectCode::Order, 0, "at least 1"),
            ("O|1\nL|1\nO|2\n", RejectCode::Order, 8, "at least 1"),
            ("O|1\nL|1\nL|2\nL|3\nL|4\n", RejectCode::Order, 16, "at most 3"),
            ("O|1\nL|1\nnote\nL|2\n", RejectCode::Order, 13, "follow a record"),
            ("O|x\n", RejectCode::Integer, 2, "no number"),
        ],
    );
}

#[test]
fn a_note_cannot_look_like_another_record() {
    let layout = compiled(orders());
    let rows = vec![("note".to_owned(), vec![Some("L".to_owned())])];
    let error = render(&layout, &rows, &FINISHED).unwrap_err();
    assert!(error.message.contains("another type"), "{error}");
}

#[test]
fn the_file_has_as_many_as_it_needs() {
    let spec = with(orders(), |spec| (spec.records[0].min, spec.records[0].max) = (1, Some(2)));
    assert_files(&spec, &[("O|1\nL|5\n", "O|1 / L|5", &[])]);
    assert_refused(
        &spec,
        &[
            ("note\n", RejectCode::Order, 5, "at least 1 of type `order`"),
            ("O|1\nL|5\nO|2\nL|5\nO|3\n", RejectCode::Order, 16, "at most 2"),
        ],
    );
}
