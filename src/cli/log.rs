//! The log on standard error: text for people, one JSON object a line for machines.

use std::fmt;
use std::io::IsTerminal;

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::FormatTime;

use crate::domain::Moment;

/// How many digits of a hash people are shown.
const HASH_DIGITS: usize = 16;

/// What libraries say of themselves at levels that are ours, unless it is asked for by name (`info,smb2=debug`).
const LIBRARIES: &str = "smb2=off";

/// Starts the log. A level or filter that cannot be understood is the usual one.
pub(super) fn start(level: Option<&str>, usual: &str, json: bool) {
    let filtered = |level: &str| EnvFilter::try_new(format!("{LIBRARIES},{level}"));
    let filter = filtered(level.unwrap_or(usual)).or_else(|_| filtered(usual)).unwrap_or_default();
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if json {
        builder.json().flatten_event(true).init();
    } else {
        let fields = debug_fn(write_field).delimited(" ");
        builder.with_ansi(colours).with_timer(LocalTime).fmt_fields(fields).init();
    }
}

/// A field of a line for people: the message as it is, hashes in short, names of fields in italics on a terminal.
fn write_field(out: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let name = field.name();
    if name == "message" {
        return write!(out, "{value:?}");
    }
    if out.has_ansi_escapes() {
        write!(out, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m")?;
    } else {
        write!(out, "{name}=")?;
    }
    if name == "sha256" {
        let hash = format!("{value:?}");
        return out.write_str(short(hash.trim_matches('"')));
    }
    write!(out, "{value:?}")
}

fn short(hash: &str) -> &str {
    hash.get(..HASH_DIGITS).unwrap_or(hash)
}

/// Times of log lines: the local zone with its offset.
struct LocalTime;

impl FormatTime for LocalTime {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        write!(out, "{}", Moment::from(jiff::Timestamp::now()).local())
    }
}
