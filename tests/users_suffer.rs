//! What users of other tools for file drops complain of in public, a test for each complaint that concerns reading from
//! a local or mounted directory. A test is named after the project and issue it was first told in.
//!
//! | complaint | test |
//! |---|---|
//! | a copy keeps the old mtime and is read in mid-copy | `camel_19378_a_copy_that_keeps_its_mtime_is_not_taken_in_mid_copy` |
//! | slow copies over NFS are read early | `ddf_1779_a_slow_copy_is_not_taken_early`, `logstash_input_file_211_a_slow_copy_without_notifications_is_not_taken_early` |
//! | rows appended after completion are ignored | `file_pulse_27_rows_appended_after_completion_are_not_ignored` |
//! | the last line without a newline is never read | `vector_18341_the_last_line_needs_no_newline` |
//! | a file is published again until its offsets commit | `kafka_connect_fs_89_91_105_a_failed_commit_doubles_nothing`, `kafka_connect_fs_16_two_records_are_two_events` |
//! | the bigger the file, the more copies | `redpanda_connect_900_a_file_that_takes_long_is_published_once` |
//! | after a restart everything is read again | `connect_2901_a_restart_publishes_nothing_again` |
//! | a remount changes device and inode, and everything is read again | `beats_19736_a_remount_publishes_nothing_again` |
//! | the file is finished, its data is not in Kafka | `spooldir_16_148_nothing_is_finished_before_its_data_is_there` |
//! | a file moved in with an old timestamp is never listed | `nifi_5406_12595_an_old_timestamp_hides_nothing` |
//! | a poll error leaves the file marked as seen | `camel_24090_a_failed_poll_marks_nothing_as_seen` |
//! | the same name in two directories collides | `spring_integration_10162_equal_names_in_two_directories_do_not_collide` |
//! | a daily name resumes at yesterday's offset | `spooldir_a_daily_name_begins_at_its_first_row` |
//! | a new file of the same path and length is deleted unread | `kafka_connect_fs_a_new_file_of_the_same_path_and_length_is_read` |
//! | a dropped name that comes back is not seen | `redpanda_connect_a_dropped_name_that_comes_back_is_seen` |
//! | one empty or bad file stops the feed behind it | `file_pulse_107_129_457_a_bad_or_empty_file_stops_nothing` |
//! | an unterminated quote loops for ever | `spooldir_189_an_unterminated_quote_ends` |
//! | no way to retry a failed file but to upload it again | `file_pulse_255_a_failed_file_is_retried_without_another_upload` |
//! | out of memory at 28 MB, 11 GB for 150 MB, whole-file reads | `kafka_connect_fs_32_memory_at_28_mb`, `kafka_connect_fs_31_stream_reactor_462_751_memory_at_150_mb`; 1 GB in `large_file.rs` |
//! | thousands of files take hours, or an I/O error | `file_pulse_196_ikasan_784_ten_thousand_files_are_nothing_special` |
//! | after a restart files are never cleaned up | `file_pulse_671_a_restart_leaves_no_spooled_file_behind` |
//! | the server dies and no error is logged | `connect_3296_a_share_that_goes_away_is_said` |
//! | byte order mark and carriage return stay in the data | `vector_26392_byte_order_mark_and_carriage_return_are_no_data` |
//! | latin-1 is lost | `file_pulse_304_latin_1_is_read` |
//!
//! Not here: zip archives (file-pulse#413) and remote servers' own troubles, which this way does not have yet, and the
//! way back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use support::feeds::{dated_orders, unnamed, with_feed_lines, with_ready};
use support::long_orders;
use support::{FeedOptions, LogKind, ORDERS_LAYOUT, Site, order_name, orders, wait_for};

/// Longer than a test's thread can be kept waiting between two appends.
const LONG_QUIET: &str = "quiet_ms = 2000";

fn site(options: &FeedOptions) -> Site {
    Site::new(LogKind::Embedded, options)
}

fn plain_site() -> Site {
    site(&FeedOptions::default())
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn set_old_mtime(path: &Path) {
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(old)).unwrap();
}

/// Copies a file into the inbox in pieces, each of which the bridge looks at, and expects it to be published whole.
fn copy_slowly(site: &Site, after_each: impl Fn(&Path)) {
    let mut running = site.run_traced();
    let (numbers, bytes) = orders(1, 100);
    let path = site.inbox().join(order_name(1));
    for piece in bytes.chunks(500) {
        append(&path, piece);
        after_each(&path);
        running.wait_for_a_look();
        assert!(site.ledger().is_empty(), "taken in mid-copy");
    }
    running.wait_for_line(&[" published ", &order_name(1)]);
    assert_eq!(site.numbers(), numbers);
    running.end();
}

fn without_notifications(site: &Site) {
    let path = site.path("config/bridge.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text.replace("[share.nas]", "[share.nas]\nnotify = false")).unwrap();
}

#[test]
fn camel_19378_a_copy_that_keeps_its_mtime_is_not_taken_in_mid_copy() {
    copy_slowly(&site(&with_ready(LONG_QUIET)), set_old_mtime);
}

#[test]
fn ddf_1779_a_slow_copy_is_not_taken_early() {
    copy_slowly(&site(&with_ready(LONG_QUIET)), |_| {});
}

#[test]
fn logstash_input_file_211_a_slow_copy_without_notifications_is_not_taken_early() {
    let site = site(&with_ready(LONG_QUIET));
    without_notifications(&site);
    copy_slowly(&site, |_| {});
}

#[test]
fn file_pulse_27_rows_appended_after_completion_are_not_ignored() {
    let site = plain_site();
    site.drop_file(&order_name(1), &orders(1, 2).1);
    site.run_until_idle(0);
    append(&site.inbox().join(order_name(1)), b"LATE|1.00\n");
    assert_eq!(site.run_until_idle(1)["tally"]["held"], 1);
    assert!(site.exits(&["quarantine", "list"], 1).contains("other bytes under a known key"));
}

#[test]
fn vector_18341_the_last_line_needs_no_newline() {
    let site = plain_site();
    site.drop_file(&order_name(1), b"A|1.00\nB|2.00");
    site.run_until_idle(0);
    assert_eq!(site.numbers(), ["A", "B"]);
}

#[test]
fn kafka_connect_fs_89_91_105_a_failed_commit_doubles_nothing() {
    for log in support::logs() {
        let site = Site::new(log, &FeedOptions::default());
        let (numbers, bytes) = orders(1, 50);
        site.drop_file(&order_name(1), &bytes);
        let mut running = site.spawn(&["run", "--until-idle"], Some("produced=error;half_produced:2=error"));
        assert!(running.wait().success(), "{}", running.log());
        assert!(running.log().contains("trying again"), "{}", running.log());
        assert_eq!(site.numbers(), numbers, "{log:?}");
    }
}

#[test]
fn kafka_connect_fs_16_two_records_are_two_events() {
    for log in support::logs() {
        let site = Site::new(log, &FeedOptions::default());
        let mut running = site.run_traced();
        let (numbers, bytes) = orders(1, 2);
        site.drop_file(&order_name(1), &bytes);
        running.wait_for_line(&[" published ", &order_name(1)]);
        for _ in 0..5 {
            running.wait_for_a_look();
        }
        running.end();
        assert_eq!(site.numbers(), numbers, "{log:?}");
    }
}

#[test]
fn redpanda_connect_900_a_file_that_takes_long_is_published_once() {
    let site = site(&FeedOptions { transaction: "chunk_records = 10".to_owned(), ..FeedOptions::default() });
    let mut running = site.run_traced();
    let (numbers, bytes) = orders(1, 3000);
    site.drop_file(&order_name(1), &bytes);
    running.wait_for_line(&[" published ", &order_name(1)]);
    let seen = running.log().lines().filter(|line| line.contains("seen")).count();
    running.wait_for_a_look();
    running.end();
    assert_eq!(site.numbers(), numbers);
    assert_eq!(site.ledger()[0].get("repeats"), None, "seen {seen} times");
}

#[test]
fn connect_2901_a_restart_publishes_nothing_again() {
    let site = plain_site();
    for file in 0..20 {
        site.drop_file(&order_name(file), &orders(file, 3).1);
    }
    assert_eq!(site.run_until_idle(0)["tally"]["events"], 60);
    for _ in 0..2 {
        let tally = &site.run_until_idle(0)["tally"];
        assert_eq!((&tally["events"], &tally["repeats"]), (&0.into(), &0.into()));
    }
    assert_eq!(site.events().len(), 60);
}

#[test]
fn beats_19736_a_remount_publishes_nothing_again() {
    let site = plain_site();
    for file in 0..5 {
        site.drop_file(&order_name(file), &orders(file, 3).1);
    }
    site.run_until_idle(0);
    // Other inodes and change times; names, sizes and mtimes stay.
    let other = site.path("share/other");
    assert!(Command::new("cp").arg("-a").arg(site.inbox()).arg(&other).status().unwrap().success());
    fs::rename(site.inbox(), site.path("share/before")).unwrap();
    fs::rename(&other, site.inbox()).unwrap();
    let tally = &site.run_until_idle(0)["tally"];
    assert_eq!((&tally["events"], &tally["repeats"]), (&0.into(), &0.into()));
    assert_eq!(site.events().len(), 15);
}

#[test]
fn spooldir_16_148_nothing_is_finished_before_its_data_is_there() {
    for log in support::logs() {
        let site = Site::new(log, &FeedOptions::default());
        let (numbers, bytes) = orders(1, 3);
        site.drop_file(&order_name(1), &bytes);
        let mut running = site.spawn(&["run", "--until-idle"], Some("produced=kill"));
        assert!(!running.wait().success());
        assert!(site.ledger().is_empty() && site.events().is_empty(), "{log:?}");
        assert!(site.inbox().join(order_name(1)).exists());
        site.run_until_idle(0);
        assert_eq!(site.numbers(), numbers, "{log:?}");
    }
}

#[test]
fn nifi_5406_12595_an_old_timestamp_hides_nothing() {
    let site = plain_site();
    let mut running = site.run_traced();
    site.drop_file(&order_name(2), &orders(2, 1).1);
    running.wait_for_line(&[" published ", &order_name(2)]);
    let arriving = site.path("old");
    fs::write(&arriving, orders(1, 1).1).unwrap();
    set_old_mtime(&arriving);
    fs::rename(&arriving, site.inbox().join(order_name(1))).unwrap();
    running.wait_for_line(&[" published ", &order_name(1)]);
    running.end();
    assert_eq!(site.events().len(), 2);
}

#[test]
fn camel_24090_a_failed_poll_marks_nothing_as_seen() {
    let site = plain_site();
    let (numbers, bytes) = orders(1, 3);
    site.drop_file(&order_name(1), &bytes);
    let mut running = site.spawn(&["run"], Some("captured=error;admitted=error"));
    running.wait_for_line(&["ERROR", "paused", "feed=\"orders\""]);
    running.wait_for_line(&[" published ", &order_name(1)]);
    running.end();
    assert_eq!(site.numbers(), numbers);
}

#[test]
fn spring_integration_10162_equal_names_in_two_directories_do_not_collide() {
    let site = site(&with_feed_lines("recursive = true"));
    for (file, directory) in [(1, "a"), (2, "b")] {
        fs::create_dir(site.inbox().join(directory)).unwrap();
        fs::write(site.inbox().join(directory).join(order_name(1)), orders(file, 2).1).unwrap();
    }
    assert_eq!(site.run_until_idle(0)["tally"]["published"], 2);
    assert_eq!(site.events().len(), 4);
}

#[test]
fn spooldir_a_daily_name_begins_at_its_first_row() {
    let site = site(&unnamed("ORDERS.TXT", "new"));
    let (mut numbers, bytes) = dated_orders(1, 10);
    site.drop_file("ORDERS.TXT", &bytes);
    site.run_until_idle(0);
    let (more, bytes) = dated_orders(2, 30);
    site.drop_file("ORDERS.TXT", &bytes);
    site.run_until_idle(0);
    numbers.extend(more);
    assert_eq!(site.numbers(), numbers);
}

#[test]
fn kafka_connect_fs_a_new_file_of_the_same_path_and_length_is_read() {
    let site = site(&unnamed("ORDERS.TXT", "ignore"));
    let ((mut numbers, first), (more, second)) = (dated_orders(1, 5), dated_orders(2, 5));
    assert_eq!(first.len(), second.len());
    for bytes in [&first, &second] {
        site.drop_file("ORDERS.TXT", bytes);
        set_old_mtime(&site.inbox().join("ORDERS.TXT"));
        site.run_until_idle(0);
    }
    numbers.extend(more);
    assert_eq!(site.numbers(), numbers);
    assert_eq!(fs::read(site.inbox().join("ORDERS.TXT")).unwrap(), second, "and nothing is deleted");
}

#[test]
fn redpanda_connect_a_dropped_name_that_comes_back_is_seen() {
    let site = site(&unnamed("ORDERS.TXT", "new"));
    let mut running = site.run_traced();
    for file in 1..=3 {
        site.drop_file("ORDERS.TXT", &dated_orders(file, 2).1);
        wait_for("its events", || site.events().len() == 2 * file as usize);
        fs::remove_file(site.inbox().join("ORDERS.TXT")).unwrap();
        running.wait_for_a_look();
    }
    running.end();
}

#[test]
fn file_pulse_107_129_457_a_bad_or_empty_file_stops_nothing() {
    let site = plain_site();
    site.drop_file(&order_name(1), b"");
    site.drop_file(&order_name(2), b"\n\n\n");
    site.drop_file(&order_name(3), &[0xff; 4096]);
    let (numbers, bytes) = orders(4, 3);
    site.drop_file(&order_name(4), &bytes);
    assert_eq!(site.run_until_idle(1)["tally"]["quarantined"], 2);
    assert_eq!(site.numbers(), numbers);
}

#[test]
fn spooldir_189_an_unterminated_quote_ends() {
    let layout = ORDERS_LAYOUT.replace("quote = \"\"\nquoting = \"none\"", "quote = \"\\\"\"");
    assert_ne!(layout, ORDERS_LAYOUT);
    let site = site(&FeedOptions { layout, ..FeedOptions::default() });
    site.drop_file(&order_name(1), b"A|1.00\n\"B|2.00\nC|3.00\n");
    let (numbers, bytes) = orders(2, 3);
    site.drop_file(&order_name(2), &bytes);
    site.run_until_idle(1);
    let reject = &site.committed("rejects")[0];
    assert_eq!((&reject["code"], &reject["line"]), (&"unterminated_quote".into(), &2.into()));
    assert_eq!(site.numbers(), numbers);
}

#[test]
fn file_pulse_255_a_failed_file_is_retried_without_another_upload() {
    let site = plain_site();
    site.drop_file(&order_name(1), b"A|1,00\n");
    site.run_until_idle(1);
    // Not even the inbox has to have it still.
    fs::remove_file(site.inbox().join(order_name(1))).unwrap();
    let layout = ORDERS_LAYOUT.replace("scale = 2", "scale = 2, point = \",\"");
    site.configure(&FeedOptions { layout, ..FeedOptions::default() });
    site.ok(&["quarantine", "retry", "2026-01-01/0001"]);
    assert_eq!(site.numbers(), ["A"]);
    assert_eq!(site.events()[0]["data"]["amount"], "1.00");
}

#[test]
fn kafka_connect_fs_32_memory_at_28_mb() {
    let site = site(&long_orders::options());
    let totals = long_orders::publish_in_bounded_memory(&site, 1, 28 << 20);
    assert_eq!(site.ledger()[0]["events"], totals.orders);
}

#[test]
fn kafka_connect_fs_31_stream_reactor_462_751_memory_at_150_mb() {
    let site = site(&long_orders::options());
    let totals = long_orders::publish_in_bounded_memory(&site, 1, 150 << 20);
    assert_eq!(site.ledger()[0]["events"], totals.orders);
}

#[test]
fn file_pulse_196_ikasan_784_ten_thousand_files_are_nothing_special() {
    const FILES: u32 = 10_000;
    let site = plain_site();
    for file in 0..FILES {
        fs::write(site.inbox().join(order_name(file)), orders(file, 1).1).unwrap();
    }
    assert_eq!(site.run_until_idle(0)["tally"]["published"], FILES);
    let numbers = site.numbers();
    assert_eq!(numbers.len(), FILES as usize);
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "doubled");
}

#[test]
fn file_pulse_671_a_restart_leaves_no_spooled_file_behind() {
    let transaction = "memory_capture_bytes = 4096\nchunk_records = 100".to_owned();
    let site = site(&FeedOptions { transaction, ..FeedOptions::default() });
    let (numbers, bytes) = orders(1, 1000);
    site.drop_file(&order_name(1), &bytes);
    let mut running = site.spawn(&["run", "--until-idle"], Some("between_chunks:3=kill"));
    assert!(!running.wait().success());
    assert_eq!(site.objects().len(), 1, "it is needed still");
    site.run_until_idle(0);
    assert_eq!(site.numbers(), numbers);
    assert_eq!(site.objects(), [] as [PathBuf; 0]);
}

#[test]
fn connect_3296_a_share_that_goes_away_is_said() {
    let site = plain_site();
    let mut running = site.run_traced();
    running.wait_for_a_look();
    fs::rename(site.path("share"), site.path("unplugged")).unwrap();
    running.wait_for_line(&["ERROR", "paused", "orders", "is the share mounted?"]);
    running.end();
}

#[test]
fn vector_26392_byte_order_mark_and_carriage_return_are_no_data() {
    let windows = ORDERS_LAYOUT.replace("terminator = \"lf\"", "terminator = \"crlf\"\nbyte_order_mark = \"optional\"");
    let site = site(&FeedOptions { layout: windows, ..FeedOptions::default() });
    site.drop_file(&order_name(1), "\u{feff}A|1.00\r\nB|2.00\r\n".as_bytes());
    site.run_until_idle(0);
    assert_eq!(site.numbers(), ["A", "B"]);
    assert!(site.events().iter().all(|event| event["data"]["amount"].as_str().unwrap().len() == 4));

    // Where the layout does not state them they are a fault, and never data.
    let site = plain_site();
    site.drop_file(&order_name(1), "\u{feff}A|1.00\n".as_bytes());
    site.drop_file(&order_name(2), b"A|1.00\r\n");
    assert_eq!(site.run_until_idle(1)["tally"]["quarantined"], 2);
    assert!(site.events().is_empty());
}

#[test]
fn file_pulse_304_latin_1_is_read() {
    let layout = ORDERS_LAYOUT.replace("encoding = \"utf-8\"", "encoding = \"latin-1\"");
    let site = site(&FeedOptions { layout, ..FeedOptions::default() });
    site.drop_file(&order_name(1), b"M\xfcller & S\xf6hne|1.00\n");
    site.run_until_idle(0);
    assert_eq!(site.numbers(), ["Müller & Söhne"]);
}
