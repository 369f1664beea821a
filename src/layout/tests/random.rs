//! Random files and records. Each test prints its seed; `DROPBRIDGE_TEST_SEED` plays one again.

use std::time::{SystemTime, UNIX_EPOCH};

use super::specs::*;
use super::*;

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let given = std::env::var("DROPBRIDGE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
        let seed = given.unwrap_or_else(clock);
        println!("DROPBRIDGE_TEST_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn text(&mut self, alphabet: &[char], longest: usize) -> String {
        (0..self.below(longest + 1)).map(|_| self.pick(alphabet)).collect()
    }

    fn digits(&mut self, longest: usize) -> String {
        let text = self.text(&['0', '1', '2', '9'], longest).trim_start_matches('0').to_owned();
        if text.is_empty() { "0".to_owned() } else { text }
    }
}

fn every_layout() -> Vec<Layout> {
    let mut layouts = Vec::new();
    for encoding in [Encoding::Utf8, Encoding::Latin1, Encoding::Cp1252] {
        for terminator in [Terminator::Lf, Terminator::CrLf, Terminator::Cr] {
            for spec in [delimited(), fixed_width(), single(text())] {
                layouts.push(compiled(with(spec, |spec| (spec.encoding, spec.terminator) = (encoding, terminator))));
            }
        }
    }
    layouts.push(compiled(table()));
    layouts
}

/// Gives as much at once as it likes.
struct Choppy<'r>(&'r mut Random, &'r [u8]);

impl std::io::Read for Choppy<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = (self.0.below(40) + 1).min(into.len()).min(self.1.len());
        into[..count].copy_from_slice(&self.1[..count]);
        self.1 = &self.1[count..];
        Ok(count)
    }
}

/// Bytes that look a little like a file, so that they get further than the first check.
fn noise(random: &mut Random) -> Vec<u8> {
    const PIECES: [&[u8]; 16] = [
        b"H|20260131",
        b"B|1|x|2.50",
        b"T|1|2.50",
        b"\n",
        b"\r\n",
        b"\r",
        b"|",
        b"\"",
        b"\"\"",
        b"\xC3",
        b"\xFC",
        b"\0",
        b"B",
        b"B0001roof      0000250  ",
        b"\xEF\xBB\xBF",
        b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ];
    let mut bytes = Vec::new();
    for _ in 0..random.below(30) {
        match random.below(4) {
            0 => bytes.push(random.next() as u8),
            _ => bytes.extend_from_slice(random.pick(&PIECES)),
        }
    }
    bytes
}

#[test]
fn noise_is_read_to_its_end_or_rejected_within_bounds() {
    let mut random = Random::seeded();
    for layout in every_layout() {
        for _ in 0..400 {
            let bytes = noise(&mut random);
            let whole = parse(&layout, &bytes).map(|(rows, _)| rows);
            if let Err(reject) = &whole {
                assert!(reject.byte <= bytes.len() as u64 && reject.line > 0, "{reject}");
            }
            let _ = layout.ends_with_trailer(&bytes);
            // However it is read, it is the same.
            let mut parser = Parser::new(&layout, Choppy(&mut random, &bytes));
            let mut record = Record::new();
            let mut count = 0;
            let chopped = loop {
                match parser.read(&mut record) {
                    Ok(true) => count += 1,
                    Ok(false) => break Ok(count),
                    Err(ParseError::Reject(reject)) => break Err(reject),
                    Err(ParseError::Io(error)) => panic!("{error}"),
                }
                assert!(record.raw().len() <= layout.max_record_bytes());
            };
            assert_eq!(chopped, whole.map(|rows| rows.len()), "{}", bytes.escape_ascii());
        }
    }
}

#[test]
fn what_is_read_comes_back_but_for_needless_quotes() {
    let mut random = Random::seeded();
    let mut taken = 0;
    for layout in every_layout() {
        for _ in 0..400 {
            let bytes = noise(&mut random);
            let Ok((rows, facts)) = parse(&layout, &bytes) else { continue };
            taken += usize::from(!rows.is_empty());
            let back = render(&layout, &rows, &facts.frame).unwrap();
            assert_eq!(parse(&layout, &back).unwrap().0, rows, "{}", bytes.escape_ascii());
            let verdict = layout.prove(&bytes[..]).unwrap().0.verdict;
            assert_eq!(verdict == Verdict::Exact, back == bytes, "{}", bytes.escape_ascii());
            assert_rebuilds(&layout, &bytes, verdict);
        }
    }
    assert!(taken > 50, "only {taken} files were taken: the noise tests nothing");
}

#[test]
fn records_are_written_and_read_back() {
    const TEXT: [char; 14] = ['a', 'Z', '0', ' ', '|', ',', '"', '\'', '\n', '\r', '\t', '\u{e4}', '\u{fc}', '.'];
    let mut random = Random::seeded();
    for layout in every_layout().iter().filter(|layout| layout.trailer.is_some()) {
        let fixed = matches!(layout.shape, Shape::FixedWidth(_));
        for _ in 0..60 {
            let (mut rows, mut total) = (vec![row("header", &["H", "2026-01-31"])], 0);
            for _ in 0..random.below(6) {
                let sign = random.pick(&["", "-"]);
                let number = random.digits(3);
                let number = if number == "0" { number } else { format!("{sign}{number}") };
                // A fixed-width field cannot hold line breaks, nor blanks at its end; at most 8 bytes in UTF-8.
                let alphabet = if fixed { &TEXT[..8] } else { &TEXT[..] };
                let text = random.text(alphabet, if fixed { 8 } else { 20 });
                let text = if fixed { text.trim_end_matches(' ') } else { &text };
                let cents = random.below(200_000) as i128 - 99_999;
                let amount = if random.below(4) == 0 { None } else { Some(types::from_units(cents, 2)) };
                total += amount.as_ref().map_or(0, |_| cents);
                let mut bid = row("bid", &["B", &number, text]);
                bid.1.push(amount);
                rows.push(bid);
            }
            rows.push(row("trailer", &["T", &(rows.len() - 1).to_string(), &types::from_units(total, 2)]));
            let frame = FileFrame { final_terminator: random.below(2) == 0, ..FINISHED };
            let bytes = render(layout, &rows, &frame).unwrap_or_else(|error| panic!("{rows:?}\n{error}"));
            let (back, facts) =
                parse(layout, &bytes).unwrap_or_else(|reject| panic!("{}\n{reject}", bytes.escape_ascii()));
            assert_eq!(back, rows, "{}", bytes.escape_ascii());
            assert_eq!(facts.frame, frame);
            assert_rebuilds(layout, &bytes, Verdict::Exact);
        }
    }
}

fn row(name: &str, values: &[&str]) -> (String, Vec<Option<String>>) {
    (name.to_owned(), values.iter().map(|value| Some((*value).to_owned())).collect())
}

#[test]
fn quotes_are_those_of_csv_core() {
    const ALPHABET: [char; 5] = ['"', ',', 'a', '\n', ' '];
    let mut random = Random::seeded();
    let delimiter = delimited::Delimiter::new(",").unwrap();
    let quoting = Some(framing::QuotingRules { quote: Some(b'"'), delimiter, escape: Escape::Doubled });
    let end = framing::End::Byte(b'\n');
    let rules = framing::FramingRules { end, quoting, max_record_bytes: 1000, lines_ahead: 0, end_padding: [None; 2] };
    let fields = delimited::Delimited { delimiter, quote: Some(b'"'), escape: Escape::Doubled };
    for _ in 0..5000 {
        let text = random.text(&ALPHABET, 30);
        let expected = by_csv_core(text.as_bytes());
        let mut framer = framing::Framer::new(text.as_bytes(), rules);
        let (mut columns, mut found) = (Vec::new(), Vec::new());
        while let Ok(Some(frame)) = framer.next(false) {
            let content = frame.raw.strip_suffix(b"\n").unwrap_or(frame.raw);
            if content.is_empty() {
                continue;
            }
            fields.split(content, frame.plain, 40, &mut columns);
            let values = columns.iter().map(|column| {
                let mut value = Vec::new();
                fields.unescape(content, column, &mut value);
                value
            });
            found.push((columns.iter().any(|column| column.misplaced_quote), values.collect::<Vec<_>>()));
        }
        // What we refuse it takes in its own way: misplaced quotes, and a last one that is open. Records end alike.
        assert!(found.len() <= expected.len(), "{text:?}");
        for ((refused, ours), theirs) in found.iter().zip(&expected) {
            assert!(*refused || ours == theirs, "{text:?}: {ours:?} {theirs:?}");
            assert_eq!(ours.len(), theirs.len(), "{text:?}: {ours:?} {theirs:?}");
        }
        assert!(expected.len() - found.len() <= 1, "{text:?}");
    }
}

/// The records of `csv-core`, which skips blank lines.
fn by_csv_core(mut input: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut reader = csv_core::ReaderBuilder::new().terminator(csv_core::Terminator::Any(b'\n')).build();
    let mut records = Vec::new();
    let (mut output, mut ends) = ([0; 256], [0; 64]);
    let (mut written, mut ended) = (0, 0);
    loop {
        let (result, read, bytes, fields) = reader.read_record(input, &mut output[written..], &mut ends[ended..]);
        input = &input[read..];
        (written, ended) = (written + bytes, ended + fields);
        match result {
            csv_core::ReadRecordResult::InputEmpty => {}
            csv_core::ReadRecordResult::Record => {
                let starts = [0].into_iter().chain(ends[..ended].iter().copied());
                let values = starts.zip(&ends[..ended]).map(|(from, to)| output[from..*to].to_vec());
                records.push(values.collect());
                (written, ended) = (0, 0);
            }
            csv_core::ReadRecordResult::End => return records,
            other => panic!("{other:?}"),
        }
    }
}
