//! Differences that were put in, one by one and together: each is found, with its kind and place, and nothing else.

use super::day::{Day, Row};
use super::*;

/// A difference that was put in: kind, row, and field.
type Want = (Kind, u32, Option<usize>);

/// What one change does to the candidate: around one bid, so that several can be made in a file.
type Change = fn(&mut Day, u32) -> Vec<Want>;

fn set(day: &mut Day, id: u32, field: usize, change: impl Fn(&str) -> String) {
    let position = day.position(id).unwrap();
    let changed = change(&day.rows[position].fields[field]);
    day.rows[position].fields[field] = changed;
}

/// A line of the bid, which gets one where it has none on both sides: those that have none are not chosen.
fn line(day: &Day, bid: u32, at: usize) -> u32 {
    let group = day.group(bid);
    day.rows[(group.start + 1 + at).min(group.end - 1)].id
}

fn move_rows(day: &mut Day, from: std::ops::Range<usize>, to: usize) {
    let moved: Vec<Row> = day.rows.drain(from.clone()).collect();
    let to = if to > from.start { to - moved.len() } else { to };
    for (offset, row) in moved.into_iter().enumerate() {
        day.rows.insert(to + offset, row);
    }
}

const CHANGES: [(&str, Change); 21] = [
    ("another vendor", |day, bid| {
        set(day, bid, 2, |_| "Somebody Else".to_owned());
        vec![(Kind::Different, bid, Some(2))]
    }),
    ("another amount", |day, bid| {
        set(day, bid, 3, |amount| format!("1{amount}"));
        vec![(Kind::Different, bid, Some(3))]
    }),
    ("another date", |day, bid| {
        set(day, bid, 4, |_| "20260131".to_owned());
        vec![(Kind::Different, bid, Some(4))]
    }),
    ("three fields of one record", |day, bid| {
        set(day, bid, 2, |vendor| format!("x{}", vendor.trim_matches('"').replace('|', "")));
        set(day, bid, 3, |amount| format!("2{amount}"));
        set(day, bid, 4, |_| "20251231".to_owned());
        [2, 3, 4].map(|field| (Kind::Different, bid, Some(field))).to_vec()
    }),
    ("an amount written with a plus", |day, bid| {
        set(day, bid, 3, |amount| format!("+{amount}"));
        vec![(Kind::Written, bid, Some(3))]
    }),
    ("a vendor in other quotes", |day, bid| {
        set(day, bid, 1, |number| format!("\"{number}\""));
        vec![(Kind::Written, bid, Some(1))]
    }),
    ("a line's number with a zero in front", |day, bid| {
        let line = line(day, bid, 0);
        set(day, line, 1, |number| format!("0{number}"));
        vec![(Kind::Written, line, Some(1))]
    }),
    ("another text of the last line", |day, bid| {
        let line = line(day, bid, 9);
        set(day, line, 2, str::to_uppercase);
        vec![(Kind::Different, line, Some(2))]
    }),
    ("another price of the first line", |day, bid| {
        let line = line(day, bid, 0);
        set(day, line, 3, |price| format!("-{price}"));
        vec![(Kind::Different, line, Some(3))]
    }),
    ("a bid is missing with its lines", |day, bid| {
        let group = day.group(bid);
        day.rows.drain(group).map(|row| (Kind::Missing, row.id, None)).collect()
    }),
    ("the first line is missing", |day, bid| {
        let line = line(day, bid, 0);
        let position = day.position(line).unwrap();
        day.rows.remove(position);
        vec![(Kind::Missing, line, None)]
    }),
    ("the last line is missing", |day, bid| {
        let line = line(day, bid, 9);
        let position = day.position(line).unwrap();
        day.rows.remove(position);
        vec![(Kind::Missing, line, None)]
    }),
    ("an extra bid before it, with a line", |day, bid| {
        let at = day.position(bid).unwrap();
        let number = format!("{}X", day.row(bid).fields[1].trim_matches('"'));
        let bid = day.push(at, &["B", &number, "New & Co", "12.00", ""]);
        let line = day.push(at + 1, &["L", "1", "new", "1.00"]);
        vec![(Kind::Extra, bid, None), (Kind::Extra, line, None)]
    }),
    ("an extra line behind its last", |day, bid| {
        let end = day.group(bid).end;
        let line = day.push(end, &["L", "17", "more", "0.01"]);
        vec![(Kind::Extra, line, None)]
    }),
    ("the same bid twice", |day, bid| {
        let group = day.group(bid);
        let fields: Vec<Vec<String>> = day.rows[group.clone()].iter().map(|row| row.fields.clone()).collect();
        let mut wants = Vec::new();
        for (offset, fields) in fields.iter().enumerate() {
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            wants.push((Kind::Extra, day.push(group.end + offset, &fields), None));
        }
        wants
    }),
    ("a bid moved to the front", |day, bid| {
        let group = day.group(bid);
        let first = day.position(day.bids()[0]).unwrap();
        move_rows(day, group, first);
        vec![(Kind::OutOfOrder, bid, None)]
    }),
    ("a bid moved to the end", |day, bid| {
        let group = day.group(bid);
        let trailer = day.rows.iter().position(|row| row.mark() == "T").unwrap();
        move_rows(day, group, trailer);
        vec![(Kind::OutOfOrder, bid, None)]
    }),
    ("the last line moved before the first two", |day, bid| {
        let group = day.group(bid);
        let line = day.rows[group.end - 1].id;
        move_rows(day, group.end - 1..group.end, group.start + 1);
        vec![(Kind::OutOfOrder, line, None)]
    }),
    ("a moved bid with another amount and no first line", |day, bid| {
        let line = line(day, bid, 0);
        let position = day.position(line).unwrap();
        day.rows.remove(position);
        set(day, bid, 3, |amount| format!("3{amount}"));
        let group = day.group(bid);
        let trailer = day.rows.iter().position(|row| row.mark() == "T").unwrap();
        move_rows(day, group, trailer);
        vec![(Kind::Missing, line, None), (Kind::Different, bid, Some(3)), (Kind::OutOfOrder, bid, None)]
    }),
    ("a delimiter behind the last field", |day, bid| {
        set(day, bid, 4, |opened| format!("{opened}|"));
        vec![(Kind::BetweenFields, bid, None)]
    }),
    ("a comment", |day, bid| {
        let at = day.position(bid).unwrap();
        let comment = day.push(at, &["# written by hand"]);
        vec![(Kind::BesideRecords, comment, None)]
    }),
];

/// What is told of a difference: kind, what it is about, key, and byte and record of both files.
type Told = (Kind, String, Option<String>, Option<(u64, u64)>, Option<(u64, u64)>);

fn told(finding: &Finding) -> Told {
    let place = |seen: &Option<Seen>| seen.as_ref().map(|seen| (seen.byte, seen.record.unwrap()));
    (finding.kind, finding.subject(), finding.key.clone(), place(&finding.legacy), place(&finding.candidate))
}

/// What has to be told of what was put in.
fn wanted((kind, id, field): Want, legacy: &Day, candidate: &Day) -> Told {
    let (in_legacy, in_candidate) = (legacy.position(id).is_some(), candidate.position(id).is_some());
    let one = if in_legacy { legacy } else { candidate };
    if kind == Kind::BesideRecords {
        let (byte, record) = candidate.place(id, None);
        // A comment is named by the record behind it.
        return (kind, "line beside the records".to_owned(), None, None, Some((byte, record + 1)));
    }
    let (name, fields) = one.describe(id);
    let subject = field.map_or(name.to_owned(), |field| format!("{name}.{}", fields[field]));
    let place = |day: &Day, there: bool| {
        // A delimiter too many stands behind the last field.
        let behind = if kind == Kind::BetweenFields { legacy.row(id).fields.join("|").len() as u64 } else { 0 };
        there.then(|| day.place(id, field)).map(|(byte, record)| (byte + behind, record))
    };
    let key = one.key(id).map(|key| key.replace('"', ""));
    (kind, subject, key, place(legacy, in_legacy), place(candidate, in_candidate))
}

/// Fields of the trailer that the changes have changed.
fn trailer_wants(legacy: &Day, candidate: &Day) -> Vec<Want> {
    let trailer = |day: &Day| day.rows.iter().find(|row| row.mark() == "T").unwrap().clone();
    let (one, other) = (trailer(legacy), trailer(candidate));
    (1..3)
        .filter(|field| one.fields[*field] != other.fields[*field])
        .map(|field| (Kind::Different, one.id, Some(field)))
        .collect()
}

fn check(what: &str, legacy: &Day, candidate: &Day, mut wants: Vec<Want>) {
    wants.extend(trailer_wants(legacy, candidate));
    for memory_bytes in [1 << 20, 3000] {
        let (outcome, found) = compared(&layout(), &rules_spec(), &legacy.bytes(), &candidate.bytes(), memory_bytes);
        let mut found: Vec<Told> = found.iter().map(told).collect();
        let mut expected: Vec<Told> = wants.iter().map(|want| wanted(*want, legacy, candidate)).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{what}, {memory_bytes} bytes");
        assert_eq!((outcome.verdict, outcome.expected.len()), (Verdict::Different, 0), "{what}");
    }
}

/// Bids with at least three lines: each change can be made to them.
fn changeable(day: &Day) -> Vec<u32> {
    day.bids().into_iter().filter(|bid| day.group(*bid).len() == 4).collect()
}

/// A day with at least so many bids that can be changed, each with two others on either side: where two change places,
/// which of them moved is a matter of taste.
fn day_with(random: &mut Random, least: usize) -> (Day, Vec<u32>) {
    loop {
        let mut day = Day::generated(random, 8 * least + 20);
        let all = day.bids();
        let inner = &all[2..all.len() - 2];
        let bids: Vec<u32> = changeable(&day).into_iter().filter(|bid| inner.contains(bid)).collect();
        // No date that a change sets, and none of the vendors that cannot be quoted again.
        for bid in &bids {
            set(&mut day, *bid, 2, |_| "Hartmann Bau".to_owned());
            set(&mut day, *bid, 4, |_| "20260102".to_owned());
        }
        if bids.len() >= least {
            return (day, bids);
        }
    }
}

#[test]
fn each_change_is_found_at_each_end_and_in_the_middle() {
    let mut random = Random::seeded();
    let mut checked = 0;
    for (what, change) in CHANGES {
        let (legacy, bids) = day_with(&mut random, 3);
        for bid in [bids[0], bids[bids.len() / 2], bids[bids.len() - 1]] {
            let mut candidate = legacy.clone();
            let wants = change(&mut candidate, bid);
            check(what, &legacy, &candidate.sealed(), wants);
            checked += 1;
        }
    }
    assert!(checked >= 40, "{checked} seeded differences");
}

#[test]
fn changes_that_come_together_are_all_found() {
    let mut random = Random::seeded();
    for round in 0..60 {
        let (legacy, bids) = day_with(&mut random, 6);
        let (mut candidate, mut wants, mut names) = (legacy.clone(), Vec::new(), Vec::new());
        let mut moved = 0;
        for bid in bids {
            let (what, change) = CHANGES[random.below(CHANGES.len())];
            // Where several bids move to one end, which of them is out of order is a matter of taste.
            moved += usize::from(what.contains("moved"));
            let comments = names.iter().any(|name: &&str| name.contains("comment"));
            if (what.contains("moved") && moved > 1) || (what.contains("comment") && comments) {
                continue;
            }
            wants.extend(change(&mut candidate, bid));
            names.push(what);
        }
        check(&format!("round {round}: {}", names.join(", ")), &legacy, &candidate.sealed(), wants);
    }
}

#[test]
fn what_is_about_the_whole_file_is_found() {
    let mut random = Random::seeded();
    let legacy = Day::generated(&mut random, 5);
    let compare = |candidate: &Day| compared(&layout(), &rules_spec(), &legacy.bytes(), &candidate.bytes(), 1 << 20).1;
    let mut marked = legacy.clone();
    marked.byte_order_mark = true;
    let found = compare(&marked);
    let mark: Vec<_> = found.iter().map(|finding| (finding.kind, finding.subject())).collect();
    assert_eq!(mark, [(Kind::BesideRecords, "byte order mark".to_owned())]);

    let mut open = legacy.clone();
    open.final_terminator = false;
    let [finding] = &compare(&open)[..] else { panic!("one difference") };
    assert_eq!((finding.kind, finding.subject()), (Kind::BetweenFields, "trailer".to_owned()));
    assert_eq!(finding.legacy.as_ref().unwrap().byte, legacy.bytes().len() as u64 - 1);

    let mut header = legacy.clone();
    let id = header.rows[0].id;
    set(&mut header, id, 2, |_| "NEWPROC".to_owned());
    let [finding] = &compare(&header)[..] else { panic!("one difference") };
    assert_eq!((finding.kind, finding.subject(), &finding.key), (Kind::Different, "header.system".to_owned(), &None));
    let values = [&finding.legacy, &finding.candidate].map(|seen| seen.as_ref().unwrap().value.clone().unwrap());
    assert_eq!(values, ["PWPROC", "NEWPROC"]);
}

#[test]
fn comments_that_go_change_and_move_are_found() {
    let mut random = Random::seeded();
    let mut legacy = Day::generated(&mut random, 6);
    legacy.push(1, &["# one"]);
    let third = legacy.position(legacy.bids()[2]).unwrap();
    let two = legacy.push(third, &["# two"]);
    let compare = |candidate: &Day| -> Vec<Told> {
        let (_, found) = compared(&layout(), &rules_spec(), &legacy.bytes(), &candidate.bytes(), 1 << 20);
        found.iter().map(told).collect()
    };
    let place = |day: &Day, id| {
        let (byte, record) = day.place(id, None);
        Some((byte, record + 1))
    };
    let mut gone = legacy.clone();
    gone.rows.remove(third);
    let line = "line beside the records".to_owned();
    assert_eq!(compare(&gone), [(Kind::BesideRecords, line.clone(), None, place(&legacy, two), None)]);
    let mut changed = legacy.clone();
    set(&mut changed, two, 0, |_| "# zwei".to_owned());
    let (before, after) = (place(&legacy, two), place(&changed, two));
    assert_eq!(compare(&changed), [(Kind::BesideRecords, line, None, before, after)]);
    let mut moved = legacy.clone();
    let to = moved.position(legacy.bids()[4]).unwrap();
    move_rows(&mut moved, third..third + 1, to);
    let place_of_line = "place of a line beside the records".to_owned();
    let (before, after) = (place(&legacy, two), place(&moved, two));
    assert_eq!(compare(&moved), [(Kind::BesideRecords, place_of_line, None, before, after)]);
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_the_place() {
    let mut random = Random::seeded();
    let legacy = Day::generated(&mut random, 5);
    let mut candidate = legacy.clone();
    let bid = candidate.bids()[2];
    set(&mut candidate, bid, 3, |_| "12.5x".to_owned());
    let (outcome, found) = compared(&layout(), &rules_spec(), &legacy.bytes(), &candidate.bytes(), 1 << 20);
    assert_eq!((outcome.verdict, found.len()), (Verdict::Unreadable, 0));
    assert!(!outcome.verdict.is_parity());
    assert_eq!(outcome.legacy.reject, None);
    assert_eq!(outcome.legacy.records, Some(legacy.rows.len() as u64));
    let reject = outcome.candidate.reject.unwrap();
    assert_eq!((reject.field.as_deref(), reject.byte), (Some("amount"), candidate.place(bid, Some(3)).0));
}
