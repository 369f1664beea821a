//! The estate of the journey: three departments with one kind of file each, through the bridge to one consumer each.

use std::path::Path;

use crate::demo::estate::Estate;

/// The department that leaves its batch job, and its neighbours, which do not.
pub(super) const DEPARTMENTS: [&str; 3] = ["parks", "facilities", "public_works"];

/// That which leaves.
pub(super) const MOVED: &str = "parks";

/// So many days of parity are demanded.
pub(super) const PARITY_DAYS: u32 = 3;

const BRIDGE: &str = r#"departments = "departments/*.toml"
layouts = "layouts/*.toml"

[bridge]
name = "journey"
state = "../var/state"

[store]
path = "../var/store"

[log]
kind = "embedded"

[topics]
prefix = "city."
partitions = 2

[share.estate]
address = "../var/estate"

# By this clock the day's files are due; each day is a business day here.
[calendar.city]
zone = "UTC"
business_days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

[event.BidProcessed]
schema = "schemas/BidProcessed.schema.json"
"#;

const DEPARTMENT: &str = r#"department = "{name}"

# What the batch job drops goes on to the consumer as it is, while the batch job speaks.
[[feed]]
id = "{name}.bids"
share = "estate"
inbox = "{name}/in"
outbox = "{name}/out"
include = ["BIDS_{business_date:YYYYMMDD}.dat"]
layout = "bids"
poll_ms = 50

[feed.ready]
temporary = ["*.tmp"]

[[feed.event]]
type = "BidProcessed"
record = "bid"
key = "bid.number"

[feed.event.data]
bid_number = "bid.number"
vendor = "bid.vendor"
total = "bid.total"

# What the new service's events become, once it speaks.
[[rendering]]
id = "{name}.files"
kind = "window"
feed = "{name}.bids"
share = "estate"
outbox = "{name}/out"
file_name = "BIDS_{business_date:YYYYMMDD}.dat"
calendar = "city"
cut_off = "22:00"
empty_day = "empty-file"
late_event = "next-file"
header = { date = "file.business_date" }

[cutover]
parity_days = {days}
approvers = ["owner-of-{name}"]
"#;

const LAYOUT: &str = r#"name = "bids"
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
name = "header"
role = "header"
match = "H"
field = [ { name = "kind", type = "constant", value = "H" }, { name = "date", type = "date", format = "YYYYMMDD" } ]

[[record]]
name = "bid"
match = "B"
field = [
  { name = "kind", type = "constant", value = "B" }, { name = "number", type = "text" },
  { name = "vendor", type = "text" }, { name = "total", type = "decimal", scale = 2 },
]

[[record]]
name = "trailer"
role = "trailer"
match = "T"
field = [
  { name = "kind", type = "constant", value = "T" }, { name = "count", type = "integer" },
  { name = "total", type = "decimal", scale = 2 },
]

[[control]]
count = ["bid"]
equals = "trailer.count"

[[control]]
sum = "bid.total"
equals = "trailer.total"
"#;

const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "https://dropbridge.dev/demo/journey/BidProcessed/1",
  "type": "object",
  "required": ["bid_number", "vendor", "total"],
  "additionalProperties": false,
  "properties": {
    "bid_number": { "type": "string", "minLength": 1 },
    "vendor": { "type": "string", "minLength": 1 },
    "total": { "type": "string", "pattern": "^[0-9]+\\.[0-9]{2}$" }
  }
}
"#;

/// Makes it.
///
/// # Errors
/// As for [`Estate::make`].
pub(super) fn make(directory: Option<&Path>) -> anyhow::Result<Estate> {
    let estate = Estate::empty(directory)?;
    estate.write("config/bridge.toml", BRIDGE.as_bytes())?;
    estate.write("config/layouts/bids.toml", LAYOUT.as_bytes())?;
    estate.write("config/schemas/BidProcessed.schema.json", SCHEMA.as_bytes())?;
    for name in DEPARTMENTS {
        let text = DEPARTMENT.replace("{name}", name).replace("{days}", &PARITY_DAYS.to_string());
        estate.write(&format!("config/departments/{name}.toml"), text.as_bytes())?;
        estate.make_directory(&format!("{name}/in"))?;
        estate.make_directory(&format!("{name}/out"))?;
    }
    Ok(estate)
}
