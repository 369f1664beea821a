//! Files that are made anew: what they state of themselves is derived, and the parser agrees.

use super::groups::orders;
use super::specs::*;
use super::*;

fn name(record: &str, field: &str) -> FieldName {
    (record.to_owned(), field.to_owned())
}

fn control(total: TotalSpec, record: &str, field: &str) -> ControlSpec {
    ControlSpec { total, equals: name(record, field) }
}

/// `record|value|value`, a value that is `?` is still to be stated.
fn record_of(layout: &Layout, text: &str) -> Record {
    let (name, values) = text.split_once('|').unwrap();
    let record_type = layout.record_type(name).unwrap();
    let mut record = Record::build(record_type);
    record.resize(layout.record_types()[record_type].fields.len());
    for (field, value) in values.split('|').enumerate().filter(|(_, value)| *value != "?") {
        assert!(record.set(field, value));
    }
    record.fill_defaults(layout);
    record
}

/// The bytes of a file whose header and trailer are derived.
fn made(layout: &Layout, header: &str, details: &[&str], trailer: &str) -> Result<String, RenderError> {
    let (mut header, mut trailer) = (record_of(layout, header), record_of(layout, trailer));
    let details: Vec<Record> = details.iter().map(|text| record_of(layout, text)).collect();
    let mut derivation = Derivation::new(layout);
    for record in std::iter::once(&header).chain(&details).chain([&trailer]) {
        derivation.add(record)?;
    }
    derivation.state(&mut header);
    derivation.state(&mut trailer);
    let frame = FileFrame::of_new_file(layout);
    let (mut renderer, mut out) = (Renderer::new(layout, &frame), Vec::new());
    renderer.begin(&mut out);
    for record in std::iter::once(&header).chain(&details).chain([&trailer]) {
        renderer.record(record, &mut out)?;
    }
    renderer.finish(&mut out);
    parse(layout, &out).unwrap_or_else(|reject| panic!("{}\n{reject:?}", out.escape_ascii()));
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn counts_sums_and_hash_totals_are_derived() {
    let layout = compiled(delimited());
    let details = ["bid|B|1|x|2.50", "bid|B|2|y|-1.25"];
    assert_eq!(
        made(&layout, "header|H|2026-01-31", &details, "trailer|T|?|?").unwrap(),
        "H|20260131\nB|1|x|2.50\nB|2|y|-1.25\nT|2|1.25\n"
    );
    // An empty day: a header, and a trailer that counts none.
    assert_eq!(made(&layout, "header|H|2026-01-31", &[], "trailer|T|?|?").unwrap(), "H|20260131\nT|0|0.00\n");

    let of_all = TotalSpec::Count(vec!["header".to_owned(), "bid".to_owned(), "trailer".to_owned()]);
    let hash = TotalSpec::Hash { fields: vec![name("bid", "text"), name("bid", "number")], digits: 3 };
    for (total, expected) in [(of_all, "4"), (hash, "811")] {
        let layout = compiled(with(delimited(), |spec| spec.controls = vec![control(total, "trailer", "bids")]));
        let details = ["bid|B|7|DE89 3704|?", "bid|B|500|x600|?"];
        let file = made(&layout, "header|H|2026-01-31", &details, "trailer|T|?|0.00").unwrap();
        assert!(file.ends_with(&format!("\nT|{expected}|0.00\n")), "{file}");
    }
}

#[test]
fn a_sum_that_has_no_room_is_an_error_of_its_field() {
    let layout = compiled(delimited());
    let most = "9".repeat(35);
    let details = [format!("bid|B|1|x|{most}.00"), format!("bid|B|2|x|{most}.00"), format!("bid|B|2|x|{most}.00")];
    let many: Vec<&str> = details.iter().map(String::as_str).cycle().take(3000).collect();
    let error = made(&layout, "header|H|2026-01-31", &many, "trailer|T|?|?").unwrap_err();
    assert_eq!((error.record_type.as_str(), error.field.as_deref()), ("bid", Some("amount")), "{error}");
}

#[test]
fn what_a_master_states_of_its_members_is_derived() {
    let count = TotalSpec::Count(vec!["line".to_owned()]);
    let layout = compiled(with(orders(), |spec| spec.controls = vec![control(count, "order", "lines")]));
    let members = ["line|L|5", "line|L|6"].map(|text| record_of(&layout, text));
    let mut master = record_of(&layout, "order|O|?");
    state_of_members(&layout, &mut master, &members).unwrap();
    assert_eq!(master.get(1), Some("2"));
    let mut nobody = record_of(&layout, "order|O|?");
    state_of_members(&layout, &mut nobody, &[]).unwrap();
    assert_eq!(nobody.get(1), Some("0"));
    // A total of a group is none of the file's.
    let mut derivation = Derivation::new(&layout);
    members.iter().for_each(|record| derivation.add(record).unwrap());
    let mut untouched = record_of(&layout, "order|O|?");
    derivation.state(&mut untouched);
    assert_eq!(untouched.get(1), None);
}
