//! Parsing, proving and rendering, delimited and fixed width, against the bare loop of `csv` over the same rows with
//! the same validation, and against `sha256sum`. All sides run in turn, several times over; the table has medians of the
//! time that passed, which says who is faster, and of the CPU time, which says so on a busy machine too.
//!
//! `cargo xtask bench layouts` runs it. Rows: `DROPBRIDGE_BENCH_ROWS` (400,000), rounds: `DROPBRIDGE_BENCH_ROUNDS` (5),
//! one contender alone, for a profiler: `DROPBRIDGE_BENCH_ONLY` (its number).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dropbridge::config;
use dropbridge::domain::name_pattern::NameFacts;
use dropbridge::domain::{ContentHash, EntryFacts, LogicalKey};
use dropbridge::inbound::plan::{FeedPlan, Identity};
use dropbridge::inbound::prepare::Source;
use dropbridge::inbound::proof::FileProof;
use dropbridge::inbound::translate::Translator;
use dropbridge::layout::{FileFrame, Layout, Parser, Record, Renderer, Verdict};
use dropbridge::mapping::{EventSchema, FileNaming, Group, Mapping, PayloadScan, Surroundings};
use rustix::time::{ClockId, clock_gettime};

/// Ten columns, about 140 bytes.
const COLUMNS: [(&str, &str, usize); 10] = [
    ("invoice", "text", 12),
    ("customer", "text", 10),
    ("name", "text", 30),
    ("issued", "date", 8),
    ("due", "date", 8),
    ("net", "decimal", 12),
    ("tax", "decimal", 10),
    ("gross", "decimal", 12),
    ("currency", "text", 3),
    ("reference", "text", 29),
];

fn main() {
    // `cargo test --benches` asks for a run that only shows that it runs.
    let is_test = std::env::args().any(|argument| argument == "--test");
    let number =
        |name: &str, usual: usize| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let rows = number("DROPBRIDGE_BENCH_ROWS", if is_test { 100 } else { 400_000 });
    let rounds = number("DROPBRIDGE_BENCH_ROUNDS", if is_test { 1 } else { 5 });
    let directory = tempfile::tempdir().unwrap();
    let bench = Bench::new(directory.path(), rows);
    let contenders = bench.contenders();
    let only = number("DROPBRIDGE_BENCH_ONLY", 0);
    let mut times: BTreeMap<usize, Vec<Times>> = BTreeMap::new();
    for _ in 0..rounds {
        for (index, contender) in contenders.iter().enumerate().filter(|(index, _)| only == 0 || index + 1 == only) {
            let (begun, cpu) = (Instant::now(), cpu_time());
            (contender.run)();
            times
                .entry(index)
                .or_default()
                .push(Times { passed: begun.elapsed(), cpu: cpu_time().saturating_sub(cpu) });
        }
    }
    report(&contenders, &times, rows);
}

/// What one run of a contender took.
struct Times {
    passed: Duration,
    /// Of this process, all its threads.
    cpu: Duration,
}

fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap()
}

struct Contender<'b> {
    name: &'static str,
    bytes: usize,
    /// Which one it is measured against, by its place.
    against: usize,
    /// It does its work in a process of its own, whose CPU time is not ours.
    is_other_process: bool,
    run: Box<dyn Fn() + 'b>,
}

fn report(contenders: &[Contender<'_>], times: &BTreeMap<usize, Vec<Times>>, rows: usize) {
    println!("{rows} rows, medians\n");
    println!("{:<46} {:>12} {:>9} {:>12} {:>16}", "", "rows/s", "MB/s", "CPU s/M rows", "against");
    let median = |index: usize, of: fn(&Times) -> Duration| {
        let mut found: Vec<f64> = times.get(&index)?.iter().map(|times| of(times).as_secs_f64()).collect();
        found.sort_by(f64::total_cmp);
        Some(found[found.len() / 2])
    };
    for (index, contender) in contenders.iter().enumerate() {
        let passed = |index| median(index, |times| times.passed);
        let Some(seconds) = passed(index) else { continue };
        let against = match passed(contender.against).filter(|_| contender.against != index) {
            Some(other) => format!("{:.2} x [{}]", other / seconds, contender.against + 1),
            None => String::new(),
        };
        let megabytes = contender.bytes as f64 / 1e6 / seconds;
        let cpu = median(index, |times| times.cpu).filter(|_| !contender.is_other_process);
        let cpu = cpu.map_or(String::new(), |cpu| format!("{:.2}", cpu / rows as f64 * 1e6));
        let label = format!("[{}] {}", index + 1, contender.name);
        println!("{label:<46} {:>12.0} {megabytes:>9.0} {cpu:>12} {against:>16}", rows as f64 / seconds);
    }
}

struct Bench {
    delimited: Side,
    fixed: Side,
    delimited_file: std::path::PathBuf,
    plan: FeedPlan,
}

struct Side {
    layout: Arc<Layout>,
    bytes: Vec<u8>,
    records: Vec<Record>,
}

impl Side {
    fn new(directory: &Path, name: &str, layout: &str, bytes: Vec<u8>) -> Self {
        let path = directory.join(format!("{name}.toml"));
        std::fs::write(&path, layout).unwrap();
        let layout = config::layout_file(&path).unwrap();
        let mut parser = Parser::new(&layout, bytes.as_slice());
        let (mut record, mut records) = (Record::new(), Vec::new());
        while parser.read(&mut record).unwrap() {
            let mut copy = Record::new();
            copy.copy_values(&record);
            records.push(copy);
        }
        Self { layout, bytes, records }
    }

    fn parse(&self) {
        let mut parser = Parser::new(&self.layout, self.bytes.as_slice());
        let (mut record, mut count) = (Record::new(), 0_usize);
        while parser.read(&mut record).unwrap() {
            count += record.get(0).map_or(0, str::len);
        }
        black_box(count);
    }

    fn prove(&self) {
        let (proof, _) = self.layout.prove(self.bytes.as_slice()).unwrap();
        assert_eq!(proof.verdict, Verdict::Exact);
    }

    fn render(&self) {
        let frame = FileFrame { final_terminator: true, ..FileFrame::default() };
        let mut renderer = Renderer::new(&self.layout, &frame);
        let (mut out, mut written) = (Vec::new(), 0);
        renderer.begin(&mut out);
        for record in &self.records {
            renderer.record(record, &mut out).unwrap();
            if out.len() > 1 << 16 {
                written += out.len();
                out.clear();
            }
        }
        renderer.finish(&mut out);
        assert_eq!(written + out.len(), self.bytes.len());
    }
}

impl Bench {
    fn new(directory: &Path, rows: usize) -> Self {
        let (delimited, fixed) = files(rows);
        let delimited_file = directory.join("rows.csv");
        std::fs::write(&delimited_file, &delimited).unwrap();
        let plan = plan(directory);
        Self {
            delimited: Side::new(directory, "delimited", &delimited_layout("delimited"), delimited),
            fixed: Side::new(directory, "fixed", &fixed_layout(), fixed),
            delimited_file,
            plan,
        }
    }

    fn contenders(&self) -> Vec<Contender<'_>> {
        const CSV: usize = 0;
        const VALIDATED: usize = 1;
        const FIXED: usize = 7;
        let (rows, fixed) = (self.delimited.bytes.len(), self.fixed.bytes.len());
        let contender = |name, bytes, against, run: Box<dyn Fn()>| {
            let is_other_process = name == "sha256sum";
            Contender { name, bytes, against, is_other_process, run }
        };
        vec![
            contender("csv: ByteRecord loop", rows, CSV, Box::new(|| self.csv(false))),
            contender("csv: ByteRecord loop, same validation", rows, VALIDATED, Box::new(|| self.csv(true))),
            contender("delimited: parse", rows, VALIDATED, Box::new(|| self.delimited.parse())),
            contender("delimited: parse, prove by records", rows, VALIDATED, Box::new(|| self.delimited.prove())),
            contender("delimited: parse, payloads, prove by these", rows, VALIDATED, Box::new(|| self.payloads())),
            contender("delimited: parse, whole events, proof", rows, VALIDATED, Box::new(|| self.events(true))),
            contender("delimited: parse, whole events, no proof", rows, VALIDATED, Box::new(|| self.events(false))),
            contender("fixed width: parse", fixed, VALIDATED, Box::new(|| self.fixed.parse())),
            contender("fixed width: parse, prove by records", fixed, FIXED, Box::new(|| self.fixed.prove())),
            contender("delimited: render", rows, VALIDATED, Box::new(|| self.delimited.render())),
            contender("fixed width: render", fixed, FIXED, Box::new(|| self.fixed.render())),
            contender("sha256sum", rows, VALIDATED, Box::new(|| self.sha256sum())),
        ]
    }

    /// The loop that a program for this one file would have; validated by hand, each column by its type.
    fn csv(&self, validate: bool) {
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).delimiter(b';').from_reader(self.delimited.bytes.as_slice());
        let (mut record, mut count) = (csv::ByteRecord::new(), 0_usize);
        while reader.read_byte_record(&mut record).unwrap() {
            if validate {
                assert_eq!(record.len(), COLUMNS.len());
                for (field, (_, kind, _)) in record.iter().zip(&COLUMNS) {
                    assert!(is_valid(field, kind));
                }
            }
            count += record[0].len();
        }
        black_box(count);
    }

    /// The proof as every file has it: by what its events carry, as it is serialised. Without what events have for
    /// other reasons: envelope, and the check against the schema.
    fn payloads(&self) {
        let (layout, mapping) = (&self.plan.settings.layout, &self.plan.mapping);
        let mut parser = Parser::new(layout, self.delimited.bytes.as_slice());
        let mut proof = FileProof::new(layout, mapping);
        let (mut record, mut group, mut data) = (Record::new(), Group::default(), Vec::new());
        let mut scan = PayloadScan::default();
        let naming = FileNaming::default();
        let around = Surroundings { header: None, trailer: None, file: &naming };
        while parser.read(&mut record).unwrap() {
            group.begin(&mut record);
            let event = mapping.plan_for(&group).unwrap().unwrap();
            data.clear();
            Mapping::write_data(event, &group, around, &mut data).unwrap();
            proof.event(&group, event.event_type(), scan.payload(&data), parser.facts());
            group.end();
        }
        assert_eq!(proof.finish(parser.facts()).verdict, Verdict::Exact);
    }

    fn events(&self, proving: bool) {
        let bytes = &self.delimited.bytes;
        let entry = EntryFacts { path: "rows.csv".to_owned(), size: bytes.len() as u64, modified_ns: 0, version: 0 };
        let identity = Identity { key: LogicalKey::from_text("rows.csv"), facts: NameFacts::default(), generation: 0 };
        let source = Source {
            plan: &self.plan,
            bridge: "bench",
            identity: &identity,
            entry: &entry,
            hash: ContentHash::of(b""),
            revision: 1,
            supersedes: None,
            journal: None,
        };
        let naming = source.naming();
        let mut translator = Translator::new(&self.plan, bytes.as_slice(), source.origin(), &naming, None);
        if proving {
            translator = translator.proving();
        }
        let mut count = 0;
        while let Some(event) = translator.next_event().unwrap() {
            count += event.value.len();
        }
        let translated = translator.finish().unwrap();
        assert!(translated.proof.is_none_or(|proof| proof.verdict == Verdict::Exact));
        black_box(count);
    }

    fn sha256sum(&self) {
        let status = Command::new("sha256sum").arg(&self.delimited_file).stdout(Stdio::null()).status();
        assert!(status.expect("sha256sum of coreutils is needed").success());
    }
}

fn is_valid(field: &[u8], kind: &str) -> bool {
    match kind {
        "date" => {
            let number = |digits: &[u8]| {
                digits.iter().try_fold(0_u32, |value, digit| {
                    digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0'))
                })
            };
            let day = |month, leap| match month {
                2 => 28 + u32::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let parts = (field.len() == 8).then(|| (number(&field[..4]), number(&field[4..6]), number(&field[6..])));
            matches!(parts, Some((Some(year), Some(month @ 1..=12), Some(found)))
                if found >= 1 && found <= day(month, year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)))
        }
        "decimal" => {
            let digits = field.strip_prefix(b"-").unwrap_or(field);
            let point = digits.len().wrapping_sub(3);
            point > 0
                && digits.get(point) == Some(&b'.')
                && digits.iter().enumerate().all(|(at, byte)| at == point || byte.is_ascii_digit())
        }
        _ => std::str::from_utf8(field).is_ok_and(|text| text.bytes().all(|byte| byte >= b' ' && byte != 0x7F)),
    }
}

/// The same rows, delimited and fixed width. Made by counting, so that every run has the same.
fn files(rows: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut delimited, mut fixed) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let net = 1_000 + row * 7 % 9_999_000;
        let (tax, day, due) = (net * 19 / 100, 1 + row % 28, 1 + row % 28);
        let money = |cents: usize| format!("{}.{:02}", cents / 100, cents % 100);
        let values = [
            format!("RE{:010}", row),
            format!("K{:09}", row * 31 % 1_000_000_000),
            format!("Gartenbau Meyer & Soehne {:05}", row % 100_000),
            format!("2026{:02}{day:02}", 1 + row % 12),
            format!("2027{:02}{due:02}", 1 + row % 12),
            money(net),
            money(tax),
            money(net + tax),
            "EUR".to_owned(),
            format!("Projekt {:06} Los {:03} / {:04}", row % 1_000_000, row % 1000, row % 10_000),
        ];
        delimited.extend_from_slice(values.join(";").as_bytes());
        delimited.push(b'\n');
        for (value, (_, kind, width)) in values.iter().zip(&COLUMNS) {
            match *kind {
                "decimal" => write!(fixed, "{:0>width$}", value.replace('.', "")).unwrap(),
                _ => write!(fixed, "{value:<width$}").unwrap(),
            }
        }
        fixed.push(b'\n');
    }
    (delimited, fixed)
}

fn delimited_layout(name: &str) -> String {
    let mut layout = format!(
        "name = \"{name}\"\nversion = 1\nkind = \"delimited\"\nencoding = \"utf-8\"\nterminator = \"lf\"\n\
         [delimited]\ndelimiter = \";\"\n[[record]]\nname = \"row\"\nfield = [\n"
    );
    for (name, kind, _) in COLUMNS {
        writeln!(layout, "  {{ name = \"{name}\", {} }},", stated(kind, "")).unwrap();
    }
    layout + "]\n"
}

fn fixed_layout() -> String {
    let mut layout =
        "name = \"fixed\"\nversion = 1\nkind = \"fixed-width\"\nencoding = \"latin-1\"\nterminator = \"lf\"\n\
                      [[record]]\nname = \"row\"\nfield = [\n"
            .to_owned();
    let mut start = 1;
    for (name, kind, width) in COLUMNS {
        let stated = stated(kind, ", implied = true");
        writeln!(layout, "  {{ name = \"{name}\", start = {start}, width = {width}, {stated} }},").unwrap();
        start += width;
    }
    layout + "]\n"
}

fn stated(kind: &str, implied: &str) -> String {
    match kind {
        "date" => "type = \"date\", format = \"YYYYMMDD\"".to_owned(),
        "decimal" => format!("type = \"decimal\", scale = 2{implied}"),
        kind => format!("type = \"{kind}\""),
    }
}

/// A feed that carries every column in its events.
fn plan(directory: &Path) -> FeedPlan {
    let root = directory.join("config");
    for below in ["departments", "layouts", "schemas"] {
        std::fs::create_dir_all(root.join(below)).unwrap();
    }
    std::fs::create_dir_all(directory.join("share")).unwrap();
    let write = |path: &str, text: String| std::fs::write(root.join(path), text).unwrap();
    write(
        "bridge.toml",
        "departments = \"departments/*.toml\"\nlayouts = \"layouts/*.toml\"\n[bridge]\nname = \"bench\"\n\
         state = \"../state\"\n[store]\npath = \"../store\"\n[log]\nkind = \"embedded\"\n\
         [share.nas]\naddress = \"../share\"\n[event.InvoiceIssued]\nschema = \"schemas/InvoiceIssued.json\"\n"
            .to_owned(),
    );
    let data: String = COLUMNS.iter().map(|(name, _, _)| format!("{name} = \"row.{name}\"\n")).collect();
    write(
        "departments/sales.toml",
        format!(
            "department = \"sales\"\n[[feed]]\nid = \"rows\"\nshare = \"nas\"\ninbox = \"\"\nlayout = \"rows\"\n\
             include = [\"rows.csv\"]\nrepeat = \"ignore\"\n[feed.ready]\nquiet_ms = 1000\n\
             [[feed.event]]\ntype = \"InvoiceIssued\"\nrecord = \"row\"\nkey = \"row.invoice\"\n\
             business_date = \"row.issued\"\n[feed.event.data]\n{data}"
        ),
    );
    write("layouts/rows.toml", delimited_layout("rows"));
    write(
        "schemas/InvoiceIssued.json",
        r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://dropbridge.dev/bench/InvoiceIssued/1",
            "type":"object","required":["invoice"],"properties":{"invoice":{"type":"string"}}}"#
            .to_owned(),
    );
    let settings = config::load(&root.join("bridge.toml")).unwrap_or_else(|problems| panic!("{problems:?}"));
    let schema = |schema| Arc::new(EventSchema::compile(schema).unwrap());
    let schemas = settings.events.iter().map(|(name, event)| (name.clone(), schema(&event.schema))).collect();
    FeedPlan::new(Arc::clone(&settings.feeds[0]), &schemas, &settings.events).unwrap()
}
