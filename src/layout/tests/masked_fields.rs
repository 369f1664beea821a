//! Values of masked fields stand in no message.

use super::specs::*;
use super::*;

const SECRET: &str = "4711-\u{e9}";

fn masked(spec: LayoutSpec) -> LayoutSpec {
    with(spec, |spec| {
        spec.records.iter_mut().flat_map(|record| &mut record.fields).for_each(|field| field.masked = true);
    })
}

#[test]
fn not_in_rejects() {
    for (kind, value) in [
        (integer(), SECRET),
        (decimal(2), "4711"),
        (date("YYYYMMDD"), "47111332"),
        (constantly("B"), SECRET),
        (text(), "4711\u{7}"),
    ] {
        let layout = compiled(masked(single(kind)));
        let reject = parse(&layout, format!("{value}\n").as_bytes()).unwrap_err();
        assert!(!reject.to_string().contains("4711") && reject.reason.contains("masked"), "{reject}");
    }
    let layout = compiled(masked(single(text())));
    let reject = parse(&layout, b"ab\xFF\n").unwrap_err();
    assert!(!reject.reason.contains("FF"), "{reject}");
}

#[test]
fn not_in_controls() {
    let layout = compiled(masked(delimited()));
    let file = |total: &str| format!("H|20260131\nB|1|x|47.11\nT|1|{total}\n");
    let reject = parse(&layout, file("47.12").as_bytes()).unwrap_err();
    assert!(reject.reason.contains("masked") && !reject.reason.contains("47"), "{reject}");
    let (_, facts) = parse(&layout, file("47.11").as_bytes()).unwrap();
    let total = facts.controls.iter().find(|control| control.description.starts_with("sum")).unwrap();
    assert_eq!((&total.stated[..], &total.computed[..]), ("(masked)", "(masked)"));
    let same = with(masked(delimited()), |spec| {
        let bid = ("bid".to_owned(), "number".to_owned());
        spec.controls[0].total = TotalSpec::Same(bid);
    });
    let reject = parse(&compiled(same), b"H|20260131\nB|4711|x|\nB|4712|x|\nT|4711|0.00\n").unwrap_err();
    assert!(reject.code == RejectCode::Control && !reject.reason.contains("47"), "{reject}");
}

#[test]
fn not_in_errors_of_rendering() {
    let latin1 = with(masked(single(text())), |spec| spec.encoding = Encoding::Latin1);
    for (spec, value) in [
        (latin1, "4711 \u{20ac}"),
        (masked(single(decimal(2))), "4711.5"),
        (masked(single(date("YYYYMMDD"))), "4711-02-30"),
        (masked(single(constantly("B"))), "4711"),
    ] {
        let rows = vec![("row".to_owned(), vec![Some(value.to_owned())])];
        let error = render(&compiled(spec), &rows, &FINISHED).unwrap_err();
        assert!(!error.message.contains("4711") && !error.message.contains('\u{20ac}'), "{error}");
        assert!(error.message.contains("masked"), "{error}");
    }
}
