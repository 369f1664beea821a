//! Large files of orders with long rows, and the memory that publishing them takes.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::memory::{assert_bounded, idle_peak_kib};
use super::{FeedOptions, Running, Site, order_name};

/// Orders with a note that makes the rows long, and a trailer with their count and sum.
pub const LAYOUT: &str = r#"
name = "orders"
version = 1
kind = "delimited"
encoding = "utf-8"
terminator = "lf"
[delimited]
delimiter = "|"
quote = ""
quoting = "none"
[discriminator]
column = 1
[[record]]
name = "order"
match = "O"
field = [
  { name = "record_type", type = "constant", value = "O" }, { name = "number", type = "text" },
  { name = "amount", type = "decimal", scale = 2 }, { name = "note", type = "text" },
]
[[record]]
name = "trailer"
role = "trailer"
match = "T"
field = [
  { name = "record_type", type = "constant", value = "T" }, { name = "count", type = "integer" },
  { name = "total", type = "decimal", scale = 2 },
]
[[control]]
count = ["order"]
equals = "trailer.count"
[[control]]
sum = "order.amount"
equals = "trailer.total"
"#;

/// A row has about this many bytes.
const ROW_BYTES: u64 = 400;

/// How long a gigabyte may take before the test is taken for hung.
const LARGE_FILE_DEADLINE: Duration = Duration::from_secs(900);

/// Number of orders, and sum of their amounts in cents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub orders: u64,
    pub cents: u64,
}

impl Totals {
    fn add(&mut self, more: Self) {
        self.orders += more.orders;
        self.cents += more.cents;
    }
}

/// A feed of such files: quiet for a moment, and with their trailer.
pub fn options() -> FeedOptions {
    let mut options = FeedOptions { layout: LAYOUT.to_owned(), ..FeedOptions::default() };
    options.ready.push_str("\ntrailer = true");
    options
}

/// Lets a running bridge publish so many files of about so many bytes each, all there at once. Fails when it takes more
/// memory than it may, above what it took before there was anything to do.
pub fn publish_in_bounded_memory(site: &Site, files: u32, bytes: u64) -> Totals {
    let mut running = site.run_traced();
    let idle_kib = idle_peak_kib(&running);
    let mut totals = Totals { orders: 0, cents: 0 };
    let arriving = site.path("arriving");
    fs::create_dir(&arriving).unwrap();
    for file in 0..files {
        totals.add(write_orders(&arriving.join(order_name(file)), bytes / ROW_BYTES));
    }
    for file in 0..files {
        fs::rename(arriving.join(order_name(file)), site.inbox().join(order_name(file))).unwrap();
    }
    wait_until_published(&mut running, files);
    assert_bounded(&format!("{files} x {} MiB on {:?}", bytes >> 20, site.log), &running, idle_kib);
    running.end();
    totals
}

fn wait_until_published(running: &mut Running, files: u32) {
    let begun = Instant::now();
    while running.log().matches(" published ").count() < files as usize {
        assert!(running.child.try_wait().unwrap().is_none(), "it ended: {}", running.said());
        assert!(!running.log().contains("ERROR"), "{}", running.said());
        assert!(begun.elapsed() < LARGE_FILE_DEADLINE, "not published: {}", running.said());
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// Writes so many orders and their trailer.
fn write_orders(path: &Path, count: u64) -> Totals {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    let note = "n".repeat(ROW_BYTES as usize - "O|ORD-0000000001|123456.78|\n".len());
    let mut cents = 0;
    for number in 1..=count {
        let amount = number.wrapping_mul(7919) % 100_000_000;
        cents += amount;
        writeln!(file, "O|ORD-{number:010}|{}.{:02}|{note}", amount / 100, amount % 100).unwrap();
    }
    writeln!(file, "T|{count}|{}.{:02}", cents / 100, cents % 100).unwrap();
    file.flush().unwrap();
    Totals { orders: count, cents }
}
