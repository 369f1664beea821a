//! The configuration that the reference shows, in a directory of its own, with any part of it replaced.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::config::{Problems, Settings, load};

const BRIDGE: &str = r#"departments = "departments/*.toml"
layouts = "layouts/*.toml"

[bridge]
name = "example"
state = "../var/state"

[store]
path = "../var/store"

[log]
kind = "embedded"

[topics]
prefix = "dropbridge."
partitions = 4

[transaction]
max_files = 200
chunk_records = 20000
chunk_bytes = 8388608
memory_capture_bytes = 1048576

[slot]
takeover_after_ms = 30000

[share.estate]
address = "../var/estate"

[event.BidProcessed]
schema = "schemas/BidProcessed.schema.json"
"#;

const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "https://example.org/schemas/BidProcessed/1",
  "type": "object",
  "required": ["bid_number", "status"],
  "additionalProperties": false,
  "properties": {
    "bid_number": { "type": "string" },
    "status": { "type": "string" },
    "total": { "type": "object" },
    "lines": { "type": "array" }
  }
}
"#;

const DEPARTMENT: &str = r#"department = "public_works"

[[feed]]
id = "public_works.bids"
share = "estate"
inbox = "public_works/bids"
recursive = false
include = ["BID_{business_date:YYYYMMDD}_{sequence:4}.dat"]
exclude = ["*.bak"]
layout = "public-works-bids"
corrections = "hold"
sequence = { reset = "daily" }
poll_ms = 1000
ignore = ["note"]

[feed.ready]
quiet_ms = 500
temporary = ["*.tmp", "*.part"]
marker = "{name}.done"
checksum = "{name}.sha256"
trailer = true

[[feed.event]]
type = "BidProcessed"
record = "bid"
when = { field = "bid.status", is = ["A", "R"] }
key = "bid.number"

[feed.event.data]
bid_number = "bid.number"
status = { field = "bid.status", codes = { A = "awarded", R = "rejected" } }
total = { value = "bid.amount", currency = { const = "USD" } }
lines = { each = "line", data = { number = "line.number", description = "line.text" } }

[[rendering]]
id = "public_works.bids.mirror"
kind = "mirror"
feed = "public_works.bids"
share = 'estate'
outbox = "out/bids"
staging = "out/.dropbridge"
checksum = "{name}.md5"
begin = "now"
target_exists = "wait"
file_mode = "0640"
"#;

const WINDOW: &str = r#"
[[rendering]]
id = "public_works.bids.files"
kind = "window"
feed = "public_works.bids"
share = "estate"
outbox = "out/files"
file_name = "BIDS_{business_date:YYYYMMDD}_{sequence:3}.dat"
calendar = "city"
cut_off = "22:00"
cut_off_day = "same"
days = "every"
empty_day = "empty-file"
late_event = "next-file"
sequence = { reset = "never", next = 17 }
order = ["bid.amount", "bid.number"]
events = ["BidProcessed"]
departments = ["public_works", "parks"]
provenance = "native"
unusable = "hold"

[rendering.header]
run_date = "file.business_date"
"#;

const LAYOUT: &str = r#"name = "public-works-bids"
version = 1
kind = "delimited"
encoding = "utf-8"
terminator = "lf"
final_terminator = "required"
byte_order_mark = "absent"
max_record_bytes = 65536

[delimited]
delimiter = "|"
quote = "\""
quoting = "minimal"
column_names = false

[discriminator]
column = 1

[[record]]
name = "header"
role = "header"
match = "H"
[[record.field]]
name = "record_type"
type = "constant"
value = "H"
[[record.field]]
name = "run_date"
type = "date"
format = "YYYYMMDD"

[[record]]
name = "bid"
match = "B"
field = [
  { name = "record_type", type = "constant", value = "B" },
  { name = "number", type = "text" },
  { name = "status", type = "text" },
  { name = "amount", type = "decimal", scale = 2 },
]

[[record]]
name = "line"
match = "L"
field = [
  { name = "record_type", type = "constant", value = "L" },
  { name = "number", type = "integer" },
  { name = "text", type = "text", optional = true },
]

[[record]]
name = "note"
match = "N"
field = [ { name = "record_type", type = "constant", value = "N" }, { name = "text", type = "text" } ]

[[record]]
name = "trailer"
role = "trailer"
match = "T"
field = [
  { name = "record_type", type = "constant", value = "T" },
  { name = "record_count", type = "integer" },
  { name = "total_amount", type = "decimal", scale = 2 },
]

[[control]]
count = ["bid", "line"]
equals = "trailer.record_count"
[[control]]
sum = "bid.amount"
equals = "trailer.total_amount"
"#;

/// `config/bridge.toml`.
pub(super) const BRIDGE_FILE: &str = "bridge.toml";
/// The department's file.
pub(super) const DEPARTMENT_FILE: &str = "departments/public_works.toml";
/// The layout's file.
pub(super) const LAYOUT_FILE: &str = "layouts/public-works-bids.toml";
/// The schema's file.
pub(super) const SCHEMA_FILE: &str = "schemas/BidProcessed.schema.json";

/// The example in a temporary directory.
pub(super) struct Example {
    directory: TempDir,
}

impl Example {
    /// As the reference shows it.
    pub(super) fn new() -> Self {
        let example = Self { directory: tempfile::tempdir().unwrap() };
        for (file, text) in
            [(BRIDGE_FILE, BRIDGE), (SCHEMA_FILE, SCHEMA), (DEPARTMENT_FILE, DEPARTMENT), (LAYOUT_FILE, LAYOUT)]
        {
            example.write(file, text);
        }
        example
    }

    /// The same with a rendering of windows.
    pub(super) fn with_window() -> Self {
        let example = Self::new();
        example.replace(BRIDGE_FILE, "[share.estate]", "[calendar.city]\nzone = \"Europe/Vienna\"\n\n[share.estate]");
        example.write(DEPARTMENT_FILE, &format!("{DEPARTMENT}{WINDOW}"));
        example
    }

    /// A file of the configuration.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join("config").join(file)
    }

    /// A place beside the configuration's directory.
    pub(super) fn beside(&self, place: &str) -> PathBuf {
        self.directory.path().join(place)
    }

    /// Writes a file of the configuration.
    pub(super) fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces a text that stands in a file exactly once.
    pub(super) fn replace(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert_eq!(text.matches(from).count(), 1, "`{from}` has to stand in {file} once");
        self.write(file, &text.replace(from, to));
    }

    /// Reads it.
    pub(super) fn load(&self) -> Result<Settings, Problems> {
        load(&self.path(BRIDGE_FILE))
    }

    /// The problems as lines, without the temporary directory's name.
    pub(super) fn problems(&self) -> Vec<String> {
        let prefix = format!("{}/", self.directory.path().display());
        match self.load() {
            Ok(_) => Vec::new(),
            Err(problems) => problems.to_string().lines().map(|line| line.replace(&prefix, "")).collect(),
        }
    }
}
