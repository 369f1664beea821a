//! Feeds that differ from the default one: names that say nothing, records that carry the date, files with a trailer.

use super::FeedOptions;

/// Orders that carry their business date: `number|amount|date`.
pub const DATED_LAYOUT: &str = r#"
name = "orders"
version = 1
kind = "delimited"
encoding = "utf-8"
terminator = "lf"
max_record_bytes = 65536
[delimited]
delimiter = "|"
quote = ""
quoting = "none"
[[record]]
name = "order"
field = [
  { name = "number", type = "text" }, { name = "amount", type = "decimal", scale = 2 },
  { name = "date", type = "date", format = "YYYYMMDD" },
]
"#;

/// Orders `O|number|amount` and a trailer `T|count`, which is a control.
pub const FRAMED_LAYOUT: &str = r#"
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
  { name = "amount", type = "decimal", scale = 2 },
]
[[record]]
name = "trailer"
role = "trailer"
match = "T"
field = [ { name = "record_type", type = "constant", value = "T" }, { name = "count", type = "integer" } ]
[[control]]
count = ["order"]
equals = "trailer.count"
"#;

/// A feed whose files are called anything that fits `include`; `repeat` is `ignore` or `new`. Its files are
/// [`dated_orders`].
pub fn unnamed(include: &str, repeat: &str) -> FeedOptions {
    FeedOptions {
        feed: format!("include = [{include:?}]\nrepeat = {repeat:?}\npoll_ms = 50"),
        event: "business_date = \"order.date\"".to_owned(),
        layout: DATED_LAYOUT.to_owned(),
        ..FeedOptions::default()
    }
}

/// The default feed with these lines in its table.
pub fn with_feed_lines(lines: &str) -> FeedOptions {
    let default = FeedOptions::default();
    FeedOptions { feed: format!("{}\n{lines}", default.feed), ..default }
}

/// The default feed with this readiness rule.
pub fn with_ready(ready: &str) -> FeedOptions {
    FeedOptions { ready: ready.to_owned(), ..FeedOptions::default() }
}

/// `count` orders with their date, `ORD-<file>-<line>`, and the bytes of their file.
pub fn dated_orders(file: u32, count: u32) -> (Vec<String>, Vec<u8>) {
    let numbers: Vec<String> = (0..count).map(|line| format!("ORD-{file:05}-{line:06}")).collect();
    let text: String = numbers.iter().map(|number| format!("{number}|12.50|20260131\n")).collect();
    (numbers, text.into_bytes())
}

/// `count` orders of a framed file without their trailer, and the trailer.
pub fn framed_orders(file: u32, count: u32) -> (Vec<String>, Vec<u8>, Vec<u8>) {
    let numbers: Vec<String> = (0..count).map(|line| format!("ORD-{file:05}-{line:06}")).collect();
    let text: String = numbers.iter().map(|number| format!("O|{number}|12.50\n")).collect();
    (numbers, text.into_bytes(), format!("T|{count}\n").into_bytes())
}
