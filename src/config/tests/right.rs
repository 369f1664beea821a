//! What right configurations become.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::example::{BRIDGE_FILE, DEPARTMENT_FILE, Example};
use crate::arrivals::{ExpectedDays, Sizes};
use crate::capture::readiness::ChecksumAlgorithm;
use crate::capture::{Compression, StoreOptions};
use crate::config::problems::Gathered;
use crate::config::section::Source;
use crate::config::settings::{FrameValue, LogSettings, RenderingKind, ShareSettings};
use crate::config::{layout, layout_file, layout_from_text, load};
use crate::domain::BusinessDate;
use crate::domain::name_pattern::NameTemplate;
use crate::domain::policy::{
    Corrections, EventProvenance, KeepCaptures, Repeat, Retention, SequenceReset, UnusableEvent,
};
use crate::layout::spec::{Align, Encoding, FixedWidthSpec, KindSpec, Presence, Setting, Terminator};
use crate::mapping::spec::{FieldRef, ValueSpec};
use crate::window::{CloseDay, EmptyDay, LateEvent, SequenceRules, WindowDays, WindowRules};

fn field(record: &str, field: &str) -> FieldRef {
    FieldRef { record: record.to_owned(), field: field.to_owned() }
}

#[test]
fn the_configuration_of_the_tree_loads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/bridge.toml");
    let settings = load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(!settings.feeds.is_empty());
}

#[test]
fn the_example_of_the_reference_loads() {
    let example = Example::new();
    let settings = example.load().unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(settings.name, "example");
    assert_eq!(settings.state, example.beside("var/state"));
    assert_eq!(settings.takeover_after, Duration::from_secs(30));
    assert!(matches!(&settings.log, LogSettings::Embedded { path } if *path == settings.state.join("events.sqlite")));
    assert_eq!(root_of(&settings.shares["estate"]), example.beside("var/estate"));
    let ShareSettings::Directory(estate) = &settings.shares["estate"] else { panic!("no directory") };
    assert!(estate.notify && !estate.require_mount);
    assert_eq!(settings.events["BidProcessed"].topic, "dropbridge.BidProcessed");
    assert_eq!(settings.events["BidProcessed"].partitions, 4);

    let feed = &settings.feeds[0];
    assert_eq!((feed.department.as_str(), feed.inbox.as_str()), ("public_works", "public_works/bids"));
    assert_eq!(feed.layout.name(), "public-works-bids");
    assert_eq!((feed.repeat, feed.corrections, feed.sequence), (None, Corrections::Hold, SequenceReset::Daily));
    assert!(feed.include[0].read(b"BID_20260131_0042.dat").unwrap().is_ok());
    assert!(feed.exclude[0].matches(b"BID_20260131_0042.bak"));
    assert_eq!(feed.ready.quiet, Some(Duration::from_millis(500)));
    assert_eq!(feed.ready.checksum.as_ref().unwrap().algorithm, ChecksumAlgorithm::Sha256);
    assert!(feed.ready.trailer);
}

#[test]
fn what_is_not_stated_has_its_default() {
    let example = Example::new();
    let sizes = "[topics]\nprefix = \"dropbridge.\"\npartitions = 4\n\n[transaction]\nmax_files = 200\n\
                 chunk_records = 20000\nchunk_bytes = 8388608\nmemory_capture_bytes = 1048576\n\n[slot]\ntakeover_after_ms = 30000\n";
    let stated = example.load().unwrap();
    example.replace(BRIDGE_FILE, sizes, "");
    example.replace(DEPARTMENT_FILE, "poll_ms = 1000\n", "");
    example.replace(DEPARTMENT_FILE, "sequence = { reset = \"daily\" }\n", "");
    example.replace(DEPARTMENT_FILE, "corrections = \"hold\"\n", "");
    example.replace(DEPARTMENT_FILE, "recursive = false\n", "");
    let default = example.load().unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(format!("{stated:?}"), format!("{default:?}"));
}

#[test]
fn a_feed_says_what_the_store_keeps_of_it() {
    let example = Example::new();
    let settings = example.load().unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(settings.store.options, StoreOptions { compression: Compression::Zstd, quota: None });
    assert_eq!(settings.store.retention, Retention::default());
    assert_eq!(settings.feeds[0].keep_captures, KeepCaptures::Unproven);
    assert_eq!((settings.feeds[0].store_quota, settings.feeds[0].retention), (None, Retention::default()));

    let store = "path = \"../var/store\"\ncompression = \"none\"\nquota = \"50 GiB\"\n\
                 retention = { kept = \"30 days\", discarded = \"12 hours\" }";
    example.replace(BRIDGE_FILE, "path = \"../var/store\"", store);
    let feed = "keep_captures = \"unproven\"\nstore_quota = \"20 MiB\"\nretention = { kept = \"400 days\" }";
    example.replace(DEPARTMENT_FILE, "poll_ms = 1000", feed);
    let settings = example.load().unwrap_or_else(|problems| panic!("{problems}"));
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let all = Retention { kept: hours(30 * 24), discarded: hours(12), abandoned: hours(90 * 24) };
    assert_eq!(settings.store.options, StoreOptions { compression: Compression::None, quota: Some(50 << 30) });
    assert_eq!(settings.store.retention, all);
    assert_eq!(settings.feeds[0].keep_captures, KeepCaptures::Unproven);
    assert_eq!(settings.feeds[0].store_quota, Some(20 << 20));
    assert_eq!(settings.feeds[0].retention, Retention { kept: hours(400 * 24), ..all });
}

#[test]
fn a_payload_is_read_in_its_order() {
    let settings = Example::new().load().unwrap_or_else(|problems| panic!("{problems}"));
    let event = &settings.feeds[0].events[0];
    assert_eq!(event.business_date, field("file", "business_date"));
    let names: Vec<&str> = event.data.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["bid_number", "status", "total", "lines"]);
    let codes = [("A", "awarded"), ("R", "rejected")].map(|(code, text)| (code.to_owned(), text.to_owned())).to_vec();
    assert_eq!(event.data[1].1, ValueSpec::Codes { field: field("bid", "status"), codes });
    let total = vec![
        ("value".to_owned(), ValueSpec::Field(field("bid", "amount"))),
        ("currency".to_owned(), ValueSpec::Constant(json!("USD"))),
    ];
    assert_eq!(event.data[2].1, ValueSpec::Object(total));
    assert!(matches!(&event.data[3].1, ValueSpec::Each { record, data } if record == "line" && data.len() == 2));
}

#[test]
fn trailer_and_file_facts_can_stand_in_a_payload() {
    let example = Example::new();
    example.replace(
        DEPARTMENT_FILE,
        "total = { value = \"bid.amount\", currency = { const = \"USD\" } }",
        "total = { of_file = \"trailer.total_amount\", list = [\"file.name\", { const = [1, true, { a = \"b\" }] }] }",
    );
    let settings = example.load().unwrap_or_else(|problems| panic!("{problems}"));
    let list = vec![ValueSpec::Field(field("file", "name")), ValueSpec::Constant(json!([1, true, { "a": "b" }]))];
    let total = vec![
        ("of_file".to_owned(), ValueSpec::Field(field("trailer", "total_amount"))),
        ("list".to_owned(), ValueSpec::Array(list)),
    ];
    assert_eq!(settings.feeds[0].events[0].data[2].1, ValueSpec::Object(total));
}

#[test]
fn names_without_date_and_sequence_need_repeat_and_a_date() {
    let example = Example::new();
    example.replace(DEPARTMENT_FILE, "BID_{business_date:YYYYMMDD}_{sequence:4}.dat", "BIDS.DAT");
    example.replace(DEPARTMENT_FILE, "sequence = { reset = \"daily\" }", "repeat = \"new\"");
    example.replace(
        DEPARTMENT_FILE,
        "key = \"bid.number\"",
        "key = \"bid.number\"\nbusiness_date = \"header.run_date\"",
    );
    let settings = example.load().unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(settings.feeds[0].repeat, Some(Repeat::New));
    assert_eq!(settings.feeds[0].sequence, SequenceReset::Never);
    assert_eq!(settings.feeds[0].events[0].business_date, field("header", "run_date"));
}

#[test]
fn a_sequence_can_wrap_and_a_directory_be_spelled_loosely() {
    let example = Example::new();
    example.replace(DEPARTMENT_FILE, "{ reset = \"daily\" }", "{ reset = \"wrap\", last = 9999 }");
    example.replace(DEPARTMENT_FILE, "\"public_works/bids\"", "\"./public_works//bids/\"");
    let settings = example.load().unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(settings.feeds[0].sequence, SequenceReset::Wrap { last: 9999 });
    assert_eq!(settings.feeds[0].inbox, "public_works/bids");
}

fn root_of(share: &ShareSettings) -> &Path {
    let ShareSettings::Directory(directory) = share else { panic!("no directory: {share:?}") };
    &directory.root
}

#[cfg(feature = "sftp")]
#[test]
fn a_server_is_reached_by_a_url_and_keys() {
    let example = Example::new();
    example.write("passphrase", "s3cret\n");
    let keys = "\"sftp://batch@files.example.org/drops\"\nprivate_key_file = \"id\"\npassphrase_file = \"passphrase\"\n\
                password_env = \"PATH\"\nhost_key = [\"SHA256:one\", \"SHA256:other\"]\nstall_timeout_ms = 5000\n\
                known_hosts_file = \"known_hosts\"\nparallel_transfers = 2";
    example.replace(BRIDGE_FILE, "\"../var/estate\"", keys);
    let settings = example.load().unwrap_or_else(|problems| panic!("{problems}"));
    let ShareSettings::Sftp(server) = &settings.shares["estate"] else { panic!("no server") };
    assert_eq!(server.address.host, "files.example.org");
    assert_eq!(server.password.as_ref().unwrap().reveal(), std::env::var("PATH").unwrap());
    let (key, passphrase) = server.private_key.as_ref().unwrap();
    assert_eq!(*key, example.beside("config/id"));
    assert_eq!(passphrase.as_ref().unwrap().reveal(), "s3cret");
    assert_eq!(server.known_hosts, Some(example.beside("config/known_hosts")));
    assert_eq!(server.host_keys, ["SHA256:one", "SHA256:other"]);
    assert_eq!((server.stall_timeout.as_millis(), server.connect_timeout.as_millis()), (5000, 10_000));
    assert_eq!(server.parallel_transfers, 2);
    assert_eq!(settings.feeds[0].place, Path::new("sftp://batch@files.example.org:22/drops/public_works/bids"));
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[cfg(feature = "smb")]
#[test]
fn a_windows_share_is_reached_by_a_url_and_a_password() {
    let example = Example::new();
    example.write("password", "s3cret\n");
    example.replace(DEPARTMENT_FILE, "file_mode = \"0640\"\n", "");
    let keys =
        "\"smb://CORP;batch@files.example.org/finance/drops\"\npassword_file = \"password\"\nparallel_transfers = 2";
    example.replace(BRIDGE_FILE, "\"../var/estate\"", keys);
    let settings = example.load().unwrap_or_else(|problems| panic!("{problems}"));
    let ShareSettings::Smb(server) = &settings.shares["estate"] else { panic!("no server") };
    let address = &server.address;
    assert_eq!(
        [&address.domain, &address.user, &address.share, &address.directory],
        ["CORP", "batch", "finance", "drops"]
    );
    assert_eq!((address.whole.host.as_str(), address.whole.port), ("files.example.org", 445));
    assert_eq!(server.password.as_ref().unwrap().reveal(), "s3cret");
    assert_eq!((server.stall_timeout.as_millis(), server.connect_timeout.as_millis()), (30_000, 10_000));
    assert_eq!(server.parallel_transfers, 2);
    let place = Path::new("smb://CORP;batch@files.example.org:445/finance/drops/public_works/bids");
    assert_eq!(settings.feeds[0].place, place);
    assert!(!format!("{settings:?}").contains("s3cret"));
    assert!(!server.exclusive_rename);
    let guest = Example::new();
    guest.replace(DEPARTMENT_FILE, "file_mode = \"0640\"\n", "");
    guest.replace(BRIDGE_FILE, "\"../var/estate\"", "\"smb://Guest@files.example.org/public\"");
    guest.load().unwrap_or_else(|problems| panic!("{problems}"));
}

#[cfg(feature = "ftp")]
#[test]
fn an_ftp_server_is_reached_with_tls_and_without() {
    use crate::config::settings::FtpTls;
    let print = "AB".repeat(32);
    for (address, port, tls, more) in [
        ("ftp://batch@files.example.org/drops", 21, FtpTls::None, ""),
        ("ftps://batch@files.example.org/drops", 21, FtpTls::Explicit, "ca_file = \"ca.pem\""),
        ("ftps://batch@files.example.org:990/drops", 990, FtpTls::Implicit, ""),
        ("ftps://batch@files.example.org:990/drops", 990, FtpTls::Explicit, "tls = \"explicit\""),
        ("ftps://batch@files.example.org:2990/drops", 2990, FtpTls::Implicit, "tls = \"implicit\""),
    ] {
        let example = Example::new();
        example.write("password", "s3cret\n");
        example.replace(DEPARTMENT_FILE, "file_mode = \"0640\"\n", "");
        let pin = if tls == FtpTls::None { String::new() } else { format!("certificate_fingerprint = [\"{print}\"]") };
        let keys = format!("\"{address}\"\npassword_file = \"password\"\nparallel_transfers = 2\n{more}\n{pin}");
        example.replace(BRIDGE_FILE, "\"../var/estate\"", &keys);
        let settings = example.load().unwrap_or_else(|problems| panic!("{problems}"));
        let ShareSettings::Ftp(server) = &settings.shares["estate"] else { panic!("no server") };
        assert_eq!((server.address.port, server.tls, server.parallel_transfers), (port, tls, 2), "{address}");
        assert_eq!(server.password.as_ref().unwrap().reveal(), "s3cret");
        assert_eq!(server.certificate_fingerprints.len(), usize::from(tls != FtpTls::None));
        assert_eq!(server.ca_file.is_some(), more.contains("ca_file"));
        assert!(!format!("{settings:?}").contains("s3cret"));
    }
}

#[test]
fn a_file_url_is_a_path() {
    for (url, root) in [("file:///srv/legacy%20files", "/srv/legacy files"), ("file://localhost/srv", "/srv")] {
        let example = Example::new();
        example.replace(BRIDGE_FILE, "\"../var/estate\"", &format!("\"{url}\""));
        assert_eq!(root_of(&example.load().unwrap().shares["estate"]), Path::new(root), "{url}");
    }
}

#[test]
fn secrets_come_from_the_environment_or_a_file() {
    let example = Example::new();
    example.write("kafka-password", "s3cret\r\n");
    // PATH: a variable that every test process has.
    let properties = "kind = \"kafka\"\n[log.kafka]\nbrokers = \"one:9092,two:9092\"\n[log.kafka.properties]\n\
                      \"security.protocol\" = \"SASL_SSL\"\nsasl.password = { file = \"kafka-password\" }\n\
                      \"ssl.key.password\" = { env = \"PATH\" }\n\"socket.keepalive.enable\" = true\nlinger.ms = 5\n\
                      sasl.oauthbearer.assertion.file = \"a-path\"";
    example.replace(BRIDGE_FILE, "kind = \"embedded\"", properties);
    let settings = example.load().unwrap_or_else(|problems| panic!("{problems}"));
    let LogSettings::Kafka { brokers, properties } = &settings.log else { panic!("not Kafka") };
    assert_eq!(brokers, "one:9092,two:9092");
    let expected = [
        ("linger.ms", "5".to_owned()),
        ("sasl.oauthbearer.assertion.file", "a-path".to_owned()),
        ("sasl.password", "s3cret".to_owned()),
        ("security.protocol", "SASL_SSL".to_owned()),
        ("socket.keepalive.enable", "true".to_owned()),
        ("ssl.key.password", std::env::var("PATH").unwrap()),
    ];
    assert_eq!(
        properties.clone().into_iter().collect::<Vec<_>>(),
        expected.map(|(key, value)| (key.to_owned(), value))
    );
}

#[test]
fn a_fixed_width_layout_is_read() {
    let example = Example::new();
    let file = "layouts/wide.toml";
    example.write(
        file,
        "name = \"wide\"\nversion = 2\nkind = \"fixed-width\"\nencoding = \"cp1252\"\nterminator = \"crlf\"\n\
         fixed_width = { record_bytes = 12 }\n[[record]]\nname = \"row\"\nfield = [\n\
         { name = \"amount\", type = \"decimal\", scale = 2, implied = true, start = 1, width = 6, pad = \"0\" },\n\
         { name = \"day\", type = \"date\", format = \"YYMMDD\", start = 7, width = 6, align = \"left\", \
         optional = true } ]\n",
    );
    let gathered = Gathered::default();
    let source = Source::read(&example.path(file), &gathered).unwrap();
    let (name, stated) = layout::read(&source, &example.path(file));
    assert!(gathered.is_empty(), "{}", gathered.into_problems());
    let spec = stated.unwrap().spec;
    assert_eq!(name.as_deref(), Some("wide"));
    assert_eq!(spec.kind, KindSpec::FixedWidth(FixedWidthSpec { record_bytes: Some(12), ..FixedWidthSpec::default() }));
    assert_eq!((spec.encoding, spec.terminator), (Encoding::Cp1252, Terminator::CrLf));
    assert_eq!((spec.final_terminator, spec.byte_order_mark), (Presence::Optional, Presence::Absent));
    assert_eq!((spec.version, spec.max_record_bytes), (2, 1 << 20));
    let [amount, day] = &spec.records[0].fields[..] else { panic!("{:?}", spec.records) };
    assert_eq!(amount.type_word, "decimal");
    assert_eq!((&amount.settings["scale"], &amount.settings["implied"]), (&Setting::Number(2), &Setting::Flag(true)));
    assert_eq!((amount.start, amount.width, amount.pad, amount.align), (Some(1), Some(6), Some(b'0'), None));
    assert_eq!((day.type_word.as_str(), &day.settings["format"]), ("date", &Setting::from("YYMMDD")));
    assert_eq!((day.align, day.optional, amount.optional), (Some(Align::Left), true, false));
}

#[test]
fn a_layout_can_be_read_alone() {
    let example = Example::new();
    let path = example.path("layouts/public-works-bids.toml");
    let layout = layout_file(&path).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(layout.name(), "public-works-bids");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(layout_from_text("public-works-bids.toml", &text).unwrap().digest(), layout.digest());
    for (name, text, key, line) in [
        ("x.toml", &text[..], "name", Some(1)),
        ("public-works-bids.toml", &text.replace("terminator = ", "teminator = "), "terminator", None),
        ("public-works-bids.toml", "name = ", "", Some(1)),
    ] {
        let problems = layout_from_text(name, text).unwrap_err();
        let problem = problems.as_slice().iter().find(|problem| problem.key == key);
        let problem = problem.unwrap_or_else(|| panic!("{key:?} is not blamed:\n{problems}"));
        assert!(line.is_none() || problem.line == line, "{problem}");
        assert_eq!(problem.file, name);
    }
    let missing = layout_file(&example.path("layouts/nothing.toml")).unwrap_err();
    assert!(missing.to_string().contains("nothing.toml"), "{missing}");
}

#[test]
fn calendars_have_holidays_of_the_list_and_of_the_file() {
    let example = Example::new();
    let calendar = "[calendar.city]\nzone = \"Europe/Vienna\"\nbusiness_days = [\"mon\", \"sat\"]\n\
                    holidays = [2026-06-01, \"12-26\"]\nholidays_file = \"city.txt\"\n\n[calendar.plain]\nzone = \"UTC\"\n\n[share.estate]";
    example.replace(BRIDGE_FILE, "[share.estate]", calendar);
    example.write("city.txt", "\u{feff}2026-06-06 National day\r\n\n# closed\n2026-06-08..2026-06-13  # two weeks\n");
    let settings = example.load().unwrap_or_else(|problems| panic!("{problems}"));
    let date = |text: &str| BusinessDate::parse(text).unwrap();
    for (day, city, plain) in [
        ("2026-06-01", false, true),
        ("2026-06-02", false, true),
        ("2026-06-06", false, false),
        ("2026-06-08", false, true),
        ("2026-06-13", false, false),
        ("2026-06-15", true, true),
        ("2026-06-20", true, false),
        ("2026-12-26", false, false),
    ] {
        assert_eq!(settings.calendars["city"].is_business_day(date(day)), city, "{day}");
        assert_eq!(settings.calendars["plain"].is_business_day(date(day)), plain, "{day}");
    }
    assert_eq!(settings.calendars["city"].zone_name(), "Europe/Vienna");
}

#[test]
fn what_a_feed_expects() {
    let example = Example::new();
    example.replace(BRIDGE_FILE, "[share.estate]", "[calendar.city]\nzone = \"Europe/Vienna\"\n\n[share.estate]");
    let expect = "[feed.expect]\ncalendar = \"city\"\nby = \"06:30\"\ndate_offset_days = -1\nfiles = 2\ngrace_ms = 60000\n\
                  gapless = true\nmin_bytes = 10\nusual_percent = 50\nempty = \"fine\"\n\n[feed.ready]";
    example.replace(DEPARTMENT_FILE, "[feed.ready]", expect);
    let settings = example.load().unwrap_or_else(|problems| panic!("{problems}"));
    let expectation = settings.feeds[0].expect.as_ref().unwrap();
    let deadline = expectation.deadline.as_ref().unwrap();
    assert_eq!((deadline.by.to_string().as_str(), deadline.days), ("06:30", ExpectedDays::Business));
    assert_eq!((deadline.date_offset_days, deadline.files, deadline.grace.as_secs()), (-1, 2, 60));
    assert_eq!(deadline.calendar.zone_name(), "Europe/Vienna");
    let gapless = expectation.gapless.unwrap();
    assert_eq!((gapless.reset, gapless.grace.as_secs()), (SequenceReset::Daily, 900));
    let sizes = Sizes { min_bytes: Some(10), usual_percent: Some(50), ..Sizes::default() };
    assert_eq!((expectation.sizes, expectation.empty_is_fine), (sizes, true));
}

#[test]
fn an_event_topic_keeps_its_records_as_long_as_is_said() {
    let retention_of = |line: &str| {
        let example = Example::new();
        let schema = "schema = \"schemas/BidProcessed.schema.json\"";
        example.replace(BRIDGE_FILE, schema, &format!("{schema}\n{line}"));
        let settings = example.load().unwrap_or_else(|problems| panic!("{problems}"));
        let specs = crate::ledger::Topics::new(&settings).specs();
        let spec = specs.iter().find(|spec| spec.name == "dropbridge.BidProcessed").unwrap();
        spec.properties.get("retention.ms").cloned()
    };
    assert_eq!(retention_of(""), None, "the cluster decides");
    assert_eq!(retention_of("retention = \"400 days\"").as_deref(), Some("34560000000"));
    assert_eq!(retention_of("retention = \"for ever\"").as_deref(), Some("-1"));
}

#[test]
fn what_a_window_states() {
    let example = Example::with_window();
    let settings = example.load().unwrap_or_else(|problems| panic!("{problems}"));
    let RenderingKind::Window(window) = &settings.renderings[1].kind else { panic!("{:?}", settings.renderings) };
    assert_eq!((window.feed.as_str(), window.event_types.len()), ("public_works.bids", 1));
    assert_eq!(window.departments, ["public_works", "parks"]);
    let WindowRules { days, closes, close_day, empty, late, sequence, name, calendar } = &window.rules;
    assert_eq!((*days, closes.to_string().as_str(), *close_day), (WindowDays::Every, "22:00", CloseDay::Same));
    assert_eq!((*empty, *late), (EmptyDay::EmptyFile, LateEvent::NextFile));
    assert_eq!(*sequence, SequenceRules { reset: SequenceReset::Never, first: 1, next: Some(17) });
    let date = BusinessDate::parse("2026-06-02").unwrap();
    assert_eq!(name.render(date, 17).as_deref(), Ok("BIDS_20260602_017.dat"));
    assert_eq!(calendar.zone_name(), "Europe/Vienna");
    let order: Vec<&str> = window.order.iter().map(|reference| reference.field.as_str()).collect();
    assert_eq!(order, ["amount", "number"]);
    assert_eq!(window.header, [("run_date".to_owned(), FrameValue::BusinessDate)]);
    assert_eq!((window.provenance, window.unusable), (EventProvenance::Native, UnusableEvent::Hold));
    // What is complete is said as the feed says it.
    let marker = settings.renderings[1].marker.as_ref().map(NameTemplate::as_str);
    assert_eq!(marker, Some("{name}.done"));
}

#[test]
fn the_window_of_the_reference_loads() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let reference = std::fs::read_to_string(tree.join("docs/configuration.md")).unwrap();
    let example = reference.split("### Windows").nth(1).unwrap().split("```toml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let copy = tempfile::tempdir().unwrap();
    for directory in [".", "departments", "layouts", "schemas"] {
        std::fs::create_dir_all(copy.path().join(directory)).unwrap();
        for entry in std::fs::read_dir(tree.join("config").join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::copy(&path, copy.path().join(directory).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    let bridge = copy.path().join("bridge.toml");
    let text = std::fs::read_to_string(&bridge).unwrap();
    std::fs::write(&bridge, format!("{text}\n[calendar.city]\nzone = \"Europe/Vienna\"\n")).unwrap();
    let department = format!("department = \"finance\"\n{example}");
    std::fs::write(copy.path().join("departments/finance.toml"), department).unwrap();
    let settings = load(&bridge).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(settings.renderings.iter().any(|rendering| rendering.id == "finance.completions"));
}

#[test]
fn a_window_and_a_mirror_may_share_a_directory_where_they_share_no_event() {
    for (provenance, is_fine) in [("native", true), ("any", false)] {
        let example = Example::with_window();
        example.replace(DEPARTMENT_FILE, "outbox = \"out/files\"", "outbox = \"out/bids\"");
        example.replace(DEPARTMENT_FILE, "provenance = \"native\"", &format!("provenance = \"{provenance}\""));
        let problems = example.problems();
        assert_eq!(problems.is_empty(), is_fine, "{problems:?}");
        assert!(is_fine || problems[0].contains("the same events are delivered there already"), "{problems:?}");
    }
}
