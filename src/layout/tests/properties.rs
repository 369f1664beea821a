//! What holds for every layout and every file, on layouts and files that are made up.

use super::random::Random;
use super::*;

/// A layout that can work.
fn layout(random: &mut Random) -> (Layout, LayoutSpec) {
    loop {
        let spec = invented::spec(random);
        if let Ok(layout) = Layout::compile(spec.clone()) {
            return (layout, spec);
        }
    }
}

/// How many layouts a property is tried on: some seconds of them, or as many as somebody asks for.
fn rounds() -> usize {
    let asked = std::env::var("DROPBRIDGE_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    asked.unwrap_or(300)
}

/// A layout, its records and a file of them.
fn file(random: &mut Random) -> (Layout, LayoutSpec, Rows, Vec<u8>) {
    loop {
        let (layout, spec) = layout(random);
        let Some(rows) = invented::rows(random, &layout, &spec) else { continue };
        let frame = invented::frame(random, &layout, rows.len());
        // What cannot be written is an error; what can has to be read.
        if let Ok(bytes) = render(&layout, &rows, &frame) {
            return (layout, spec, rows, bytes);
        }
    }
}

#[test]
fn records_come_back_as_they_were_written() {
    let mut random = Random::seeded();
    for _ in 0..rounds() {
        let (layout, spec, rows, bytes) = file(&mut random);
        let shown = bytes.escape_ascii();
        let (back, _) =
            parse(&layout, &bytes).unwrap_or_else(|reject| panic!("{shown}\n{reject}\n{rows:?}\n{spec:#?}"));
        assert_eq!(back, rows, "{shown}\n{spec:#?}");
        let (proof, _) = layout.prove(&bytes[..]).unwrap();
        assert_eq!(proof.verdict, Verdict::Exact, "{shown}\n{proof:?}\n{spec:#?}");
        assert_rebuilds(&layout, &bytes, Verdict::Exact);
        let has_break = |value: &Option<String>| value.as_ref().is_some_and(|value| value.contains(['\n', '\r']));
        let one_line = rows.last().is_some_and(|(_, values)| !values.iter().any(has_break));
        if layout.trailer.is_some() && one_line {
            assert!(layout.ends_with_trailer(&bytes), "{shown}\n{spec:#?}");
        }
    }
}

#[test]
fn a_file_that_was_changed_is_never_silently_another() {
    let mut random = Random::seeded();
    let mut verdicts = std::collections::BTreeMap::new();
    for _ in 0..rounds() {
        let (layout, spec, _, bytes) = file(&mut random);
        for _ in 0..8 {
            let mut edited = bytes.clone();
            for _ in 0..=random.below(3) {
                edit(&mut random, &mut edited);
            }
            let word = check(&layout, &spec, &edited);
            *verdicts.entry(word).or_insert(0_u64) += 1;
        }
    }
    println!("{verdicts:?}");
    assert!(verdicts.len() >= 3, "the edits try too little: {verdicts:?}");
}

#[test]
fn any_bytes_at_all_are_answered_within_bounds() {
    let mut random = Random::seeded();
    for _ in 0..rounds() {
        let (layout, spec, _, seed) = file(&mut random);
        let mut bytes = Vec::new();
        for _ in 0..random.below(12) {
            match random.below(4) {
                0 => bytes.push(random.next() as u8),
                1 => bytes.extend(std::iter::repeat_n(random.pick(b"x\"\0 \n"), random.below(500))),
                _ if seed.is_empty() => {}
                _ => {
                    let from = random.below(seed.len());
                    let to = from + random.below(seed.len() - from + 1);
                    bytes.extend_from_slice(&seed[from..to]);
                }
            }
        }
        check(&layout, &spec, &bytes);
    }
}

#[test]
fn what_is_written_plainly_is_what_is_written_generally() {
    let mut random = Random::seeded();
    let (mut plain, mut others) = (0, 0);
    for _ in 0..rounds() {
        let (layout, spec, rows, _) = file(&mut random);
        let mut writer = render::RecordWriter::new(&layout);
        for (name, mut values) in rows {
            for _ in 0..3 {
                let mut record = Record::build(layout.record_type(&name).unwrap());
                values.iter().for_each(|value| record.push(value.as_deref()));
                let at_start = random.one_in(8);
                let (mut ours, mut theirs) = (Vec::new(), Vec::new());
                let general = writer.write_generally(&record, &[], at_start, &mut theirs);
                let is_plain = writer.append_plainly(&record, at_start, &mut ours);
                let shown = || format!("{record:?}\n{}\n{general:?}\n{spec:#?}", theirs.escape_ascii());
                assert_eq!(writer.is_plainly(&record, at_start, &theirs), is_plain, "{}", shown());
                if is_plain {
                    assert!(general.is_ok() && ours == theirs, "{}\n{}", ours.escape_ascii(), shown());
                    edit(&mut random, &mut ours);
                    assert_eq!(writer.is_plainly(&record, at_start, &ours), ours == theirs, "{}", shown());
                } else {
                    assert!(ours.is_empty());
                }
                plain += usize::from(is_plain);
                others += usize::from(!is_plain);
                let index = random.below(values.len());
                values[index] = (!random.one_in(4)).then(|| random.text(&invented::LETTERS, 4));
            }
        }
    }
    println!("{plain} plainly, {others} only generally");
    assert!(plain > rounds() && others > rounds() / 8, "{plain} and {others}: one way is hardly tried");
}

fn edit(random: &mut Random, bytes: &mut Vec<u8>) {
    const FAVOURITES: &[u8] = b"\"',|;\\\n\r\t 0+-.\x1A\0#\xFFax";
    let byte = if random.one_in(4) { random.next() as u8 } else { random.pick(FAVOURITES) };
    let at = random.below(bytes.len() + 1);
    match random.below(3) {
        0 => bytes.insert(at, byte),
        1 if at < bytes.len() => drop(bytes.remove(at)),
        2 if at < bytes.len() => bytes[at] = byte,
        _ => bytes.push(byte),
    }
}

/// Reads a file in every way there is; the answer is its verdict.
fn check(layout: &Layout, spec: &LayoutSpec, bytes: &[u8]) -> &'static str {
    let shown = || format!("{}\n{spec:#?}", bytes.escape_ascii());
    let _ = layout.ends_with_trailer(bytes);
    pass_over_all(layout, bytes);
    match layout.prove(bytes) {
        Err(ParseError::Reject(reject)) => {
            assert!(reject.byte <= bytes.len() as u64 && reject.line > 0, "{reject}\n{}", shown());
            "refused"
        }
        Err(ParseError::Io(error)) => panic!("{error}"),
        Ok((proof, facts)) => {
            if proof.verdict != Verdict::ReplayOnly {
                let rebuilt = rebuild(layout, bytes, &proof, &facts);
                let rebuilt = rebuilt.unwrap_or_else(|error| panic!("{error}\n{proof:?}\n{}", shown()));
                assert_eq!(
                    rebuilt.escape_ascii().to_string(),
                    bytes.escape_ascii().to_string(),
                    "{proof:?}\n{spec:#?}"
                );
            }
            assert_eq!(facts.bytes, bytes.len() as u64, "{}", shown());
            proof.verdict.as_str()
        }
    }
}

/// Passes over whatever can be passed over, a few bytes at a time.
fn pass_over_all(layout: &Layout, bytes: &[u8]) {
    let most = layout.max_record_bytes() * (layout.lines.footer + 1) + 64 * 1024;
    let (mut parser, mut record) = (Parser::new(layout, bytes), Record::new());
    loop {
        let outcome = parser.read(&mut record);
        assert!(parser.held_bytes() <= most, "{} bytes are held", parser.held_bytes());
        match outcome {
            Ok(true) => assert!(record.raw().len() <= 2 * layout.max_record_bytes()),
            Ok(false) => break,
            Err(_) if parser.pass_over(&mut record) => {}
            Err(_) => return,
        }
        assert!(parser.facts().records <= bytes.len() as u64);
    }
    assert_eq!(parser.facts().bytes, bytes.len() as u64);
}
