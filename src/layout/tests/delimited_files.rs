//! What can be stated of delimited files, both ways.

use super::specs::*;
use super::*;

fn id_and_name() -> Vec<FieldSpec> {
    vec![field("id", integer()), optional("name", text())]
}

#[test]
fn delimiters_of_more_characters() {
    assert_files(
        &rows_of(id_and_name(), |kind| kind.delimiter = "||".to_owned()),
        &[
            ("1||a|b\n2||\n", "1|a|b / 2|~", &[]),
            ("1||\"a||b\"\n", "1|a||b", &[]),
            ("1||\"a|\"\n", "1|a|", &[]),
            ("1||\"ab\"\n", "1|ab", &["row.name"]),
            ("1|||\n", "1||", &["row.name"]),
        ],
    );
    assert_files(&rows_of(id_and_name(), |kind| kind.delimiter = "\t".to_owned()), &[("1\ta\n", "1|a", &[])]);
}

#[test]
fn each_policy_of_quoting() {
    let quoting = |quoting| rows_of(id_and_name(), |kind| kind.quoting = quoting);
    assert_files(
        &quoting(Quoting::Minimal),
        &[
            ("1,a\n2,\n3,\"\"\n", "1|a / 2|~ / 3|", &[]),
            ("1,\"a,b\"\n", "1|a,b", &[]),
            ("\"1\",a\n", "1|a", &["row.id"]),
            ("\"+01\",\"a\"\n", "1|a", &["row.id", "row.name"]),
        ],
    );
    assert_files(
        &quoting(Quoting::All),
        &[
            ("\"1\",\"a\"\n\"2\",\"\"\n", "1|a / 2|~", &[]),
            ("1,\"a\"\n", "1|a", &["row.id"]),
            ("\"1\",\n", "1|~", &["row.name"]),
        ],
    );
    assert_files(
        &quoting(Quoting::NonNumeric),
        &[("1,\"a\"\n2,\n3,\"\"\n", "1|a / 2|~ / 3|", &[]), ("\"1\",a\n", "1|a", &["row.id", "row.name"])],
    );
    assert_files(
        &quoting(Quoting::NonEmpty),
        &[("\"1\",\"a\"\n\"2\",\n", "1|a / 2|~", &[]), ("1,\"\"\n", "1|", &["row.id"])],
    );
    assert_files(&quoting(Quoting::None), &[("1,a\n2,\n", "1|a / 2|~", &[]), ("1,\"a,b\"\n", "1|a,b", &["row.name"])]);
}

#[test]
fn a_field_may_have_its_own_quotes() {
    let mut fields = id_and_name();
    fields[0].quoted = Some(true);
    assert_files(
        &rows_of(fields.clone(), |_| ()),
        &[("\"1\",a\n\"2\",\"a,b\"\n", "1|a / 2|a,b", &[]), ("1,a\n", "1|a", &["row.id"])],
    );
    fields[0].quoted = None;
    fields[1].quoted = Some(false);
    assert_files(
        &rows_of(fields, |kind| kind.quoting = Quoting::All),
        &[("\"1\",a\n\"2\",\n\"3\",\"a,b\"\n\"4\",\"\"\n", "1|a / 2|~ / 3|a,b / 4|", &[])],
    );
}

#[test]
fn each_escape() {
    let escape = |escape| rows_of(id_and_name(), |kind| kind.escape = escape);
    assert_files(&escape(Escape::Doubled), &[("1,\"a\"\"b\"\n", "1|a\"b", &[]), ("1,a\\b\n", "1|a\\b", &[])]);
    assert_files(
        &escape(Escape::Backslash),
        &[
            ("1,\"a\\\"b\"\n", "1|a\"b", &[]),
            ("1,\"a\nb\"\n", "1|a\nb", &[]),
            ("1,\"a\\\\b\"\n", "1|a\\b", &[]),
            ("1,a\\,b\n", "1|a,b", &["row.name"]),
            ("1,a\\nb\n", "1|a\nb", &["row.name"]),
            ("1,a\\qb\n", "1|aqb", &["row.name"]),
        ],
    );
    assert_files(&escape(Escape::None), &[("1,\"a,b\"\n", "1|a,b", &[])]);
    let no_quotes = rows_of(id_and_name(), |kind| {
        (kind.quote, kind.quoting, kind.escape) = (None, Quoting::None, Escape::Backslash);
    });
    assert_files(&no_quotes, &[("1,a\\,\\nb\\\\\"\n", "1|a,\nb\\\"", &[]), ("1,a\\\nb\n", "1|a\nb", &["row.name"])]);
    for (wrong, file, offset) in [
        (Escape::Doubled, "1,\"a\\\"b\"\n", 2),
        (Escape::None, "1,\"a\"\"b\"\n", 2),
        (Escape::Backslash, "1,\"a\"\"b\"\n", 2),
        (Escape::Doubled, "1,a\"b\n", 2),
    ] {
        assert_refused(&escape(wrong), &[(file, RejectCode::QuoteMisplaced, offset, "quote")]);
    }
}

#[test]
fn spellings_of_null() {
    let nulls = |nulls: &[&str]| nulls.iter().map(|null| (*null).to_owned()).collect::<Vec<_>>();
    let unload = rows_of(id_and_name(), |kind| {
        (kind.quote, kind.quoting, kind.escape) = (None, Quoting::None, Escape::Backslash);
        kind.null = nulls(&["\\N"]);
    });
    assert_files(&unload, &[("1,\\N\n2,\\\\N\n3,\n", "1|~ / 2|\\N / 3|", &[])]);
    let quoted = rows_of(id_and_name(), |kind| kind.null = nulls(&["NULL", "-"]));
    assert_files(
        &quoted,
        &[("1,NULL\n2,\"NULL\"\n3,\n4,\"-\"\n", "1|~ / 2|NULL / 3| / 4|-", &[]), ("1,-\n", "1|~", &["row.name"])],
    );
    let mut fields = id_and_name();
    fields[0].optional = true;
    fields[1].null = nulls(&["?"]);
    let own = rows_of(fields, |kind| kind.null = nulls(&["NULL"]));
    assert_files(&own, &[("NULL,?\n1,NULL\n", "~|~ / 1|NULL", &[]), (",?\n", "~|~", &["row.id"])]);
    let empty = rows_of(id_and_name(), |kind| kind.null = nulls(&[""]));
    assert_files(&empty, &[("1,\n2,\"\"\n", "1|~ / 2|", &[])]);
    let taken = rows_of(id_and_name(), |kind| kind.null = nulls(&["a,b"]));
    let problems = Layout::compile(taken).unwrap_err();
    assert!(problems[0].message.contains("cannot stand in a record"), "{problems:?}");
}

#[test]
fn column_names_in_each_way() {
    let names = |column_names| {
        let mut fields = id_and_name();
        fields[1].column_name = Some("Full name".to_owned());
        rows_of(fields, |kind| kind.column_names = column_names)
    };
    assert_files(
        &names(ColumnNames::Exact),
        &[("id,Full name\n1,a\n", "1|a", &[]), ("\"id\",Full name\n1,a\n", "1|a", &[]), ("id,Full name\n", "", &[])],
    );
    assert_files(
        &names(ColumnNames::AnyOrder),
        &[
            ("id,Full name\n1,a\n", "1|a", &[]),
            ("Full name,id\na,1\n\"\",2\n", "1|a / 2|", &[]),
            ("Full name,id\na,+1\n", "1|a", &["row.id"]),
        ],
    );
    assert_files(
        &names(ColumnNames::Optional),
        &[("id,Full name\n1,a\n", "1|a", &[]), ("1,a\n", "1|a", &[]), ("", "", &[])],
    );
    assert_refused(
        &names(ColumnNames::AnyOrder),
        &[
            ("id,id\n", RejectCode::Constant, 3, "came already"),
            ("Full name,x\n", RejectCode::Constant, 10, "\"x\""),
            ("id\n", RejectCode::FieldCount, 0, "1 fields"),
        ],
    );
}

#[test]
fn columns_of_one_name_are_told_by_their_place() {
    let mut fields = id_and_name();
    fields.iter_mut().for_each(|field| field.column_name = Some("x".to_owned()));
    let exact = rows_of(fields, |kind| kind.column_names = ColumnNames::Exact);
    assert_files(&exact, &[("x,x\n1,a\n", "1|a", &[])]);
    assert_refused(&exact, &[("x,y\n1,a\n", RejectCode::Constant, 2, "\"y\"")]);
}

#[test]
fn a_delimiter_behind_the_last_field() {
    let trailing = |presence| rows_of(id_and_name(), |kind| kind.trailing_delimiter = presence);
    assert_files(&trailing(Presence::Required), &[("1,a,\n2,,\n", "1|a / 2|~", &[])]);
    assert_files(&trailing(Presence::Optional), &[("1,a\n", "1|a", &[]), ("1,a,\n", "1|a", &["row (end)"])]);
    assert_refused(&trailing(Presence::Required), &[("1,a\n", RejectCode::FieldCount, 0, "behind the last field")]);
    assert_refused(&trailing(Presence::Absent), &[("1,a,\n", RejectCode::FieldCount, 0, "3 fields")]);
}

#[test]
fn ragged_records() {
    let ragged = |short, long| rows_of(id_and_name(), |kind| kind.ragged = Ragged { short, long });
    assert_files(&ragged(true, false), &[("1,a\n2,\n", "1|a / 2|~", &[]), ("1\n", "1|~", &["row (end)"])]);
    assert_files(
        &ragged(false, true),
        &[("1,a,b\n+2,c\n", "1|a / 2|c", &["row (end)", "row.id"]), ("1,a,\n", "1|a", &["row (end)"])],
    );
    assert_refused(&ragged(true, false), &[("1,a,b\n", RejectCode::FieldCount, 0, "3 fields")]);
    assert_refused(&ragged(false, true), &[("1\n", RejectCode::FieldCount, 0, "1 fields")]);
}
