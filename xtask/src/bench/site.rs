//! A bridge with one feed of invoices, and the invoices.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::measure::{self, Sample};
use super::test_bed::{PARTITIONS, TestBed, succeed};

/// Ten columns; a row has about 140 bytes. Name, and what the layout says of it.
const COLUMNS: [(&str, &str); 10] = [
    ("invoice", "type = \"text\""),
    ("customer", "type = \"text\""),
    ("name", "type = \"text\""),
    ("issued", "type = \"date\", format = \"YYYYMMDD\""),
    ("due", "type = \"date\", format = \"YYYYMMDD\""),
    ("net", "type = \"decimal\", scale = 2"),
    ("tax", "type = \"decimal\", scale = 2"),
    ("gross", "type = \"decimal\", scale = 2"),
    ("currency", "type = \"text\""),
    ("reference", "type = \"text\""),
];

const BRIDGE: &str = r#"departments = "departments/*.toml"
layouts = "layouts/*.toml"
[bridge]
name = "@NAME@"
state = "../state"
[store]
path = "../store"
[log]
kind = "kafka"
[log.kafka]
brokers = "@BROKERS@"
[topics]
prefix = "@NAME@."
partitions = @PARTITIONS@
[share.nas]
address = "../share"
[event.InvoiceIssued]
schema = "schemas/InvoiceIssued.json"
"#;

/// Renamed into place: no quiet time is in what is measured.
const DEPARTMENT: &str = r#"department = "sales"
[[feed]]
id = "sales.invoices"
share = "nas"
inbox = "invoices"
include = ["rows_{sequence}.csv"]
layout = "rows"
[feed.ready]
temporary = ["*.part"]
[[feed.event]]
type = "InvoiceIssued"
record = "row"
key = "row.invoice"
business_date = "row.issued"
[feed.event.data]
"#;

const SCHEMA: &str = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema",
"$id":"https://example.com/schemas/InvoiceIssued/1","type":"object","additionalProperties":false,
"required":["invoice","customer","name","issued","due","net","tax","gross","currency","reference"],
"properties":{"invoice":{"type":"string"},"customer":{"type":"string"},"name":{"type":"string"},
"issued":{"type":"string"},"due":{"type":"string"},"net":{"type":"string"},"tax":{"type":"string"},
"gross":{"type":"string"},"currency":{"type":"string"},"reference":{"type":"string"}}}
"#;

/// A mirror of the feed. What it writes has no marker: a file is taken by its name.
const RENDERING: &str = r#"
[[rendering]]
id = "@ID@"
kind = "mirror"
feed = "sales.invoices"
share = "nas"
outbox = "@ID@"
begin = "@BEGIN@"
"#;

/// From which file on a mirror delivers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Begin {
    /// From the first that was ever published.
    Beginning,
    /// From the next.
    Now,
}

/// A bridge of its own on a test bed: configuration, inbox, topics.
pub(crate) struct Site<'b> {
    bed: &'b TestBed,
    name: String,
    directory: PathBuf,
}

impl<'b> Site<'b> {
    /// Configured and initialised, its inbox empty.
    pub(crate) fn new(bed: &'b TestBed, name: &str) -> Result<Self> {
        let site = Self { bed, name: format!("bench-{name}"), directory: bed.directory.join(name) };
        site.configure().with_context(|| format!("configure {}", site.directory.display()))?;
        succeed(site.command(&["init", "--baseline", "take"]).stdout(Stdio::null()))?;
        Ok(site)
    }

    /// The topic of its events.
    pub(crate) fn topic(&self) -> String {
        format!("{}.InvoiceIssued", self.name)
    }

    /// Its inbox.
    pub(crate) fn inbox(&self) -> PathBuf {
        self.directory.join("share/invoices")
    }

    /// The program with its configuration; it says only what it has to.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bed.dropbridge();
        command.arg("--config").arg(self.directory.join("config/bridge.toml")).args(["--log", "warn"]);
        command.args(arguments);
        command
    }

    /// Takes what is in the inbox, measured. Fails unless so many events were published.
    pub(crate) fn take(&self, events: u64) -> Result<Sample> {
        let summary = self.directory.join("summary.txt");
        let output = File::create(&summary)?;
        let sample = measure::run(self.command(&["run", "--until-idle"]).stdout(output))?;
        let told = fs::read_to_string(&summary)?;
        let digits: String = told.split(" event").next().unwrap_or("").chars().filter(char::is_ascii_digit).collect();
        ensure!(digits.parse() == Ok(events), "{events} events were expected, and the bridge says: {told}");
        Ok(sample)
    }

    /// Configures one mirror, in place of the one before; its outbox, which is empty.
    pub(crate) fn mirror(&self, id: &str, begin: Begin) -> Result<PathBuf> {
        let begin = match begin {
            Begin::Beginning => "beginning",
            Begin::Now => "now",
        };
        let rendering = RENDERING.replace("@ID@", id).replace("@BEGIN@", begin);
        fs::write(self.directory.join("config/departments/sales.toml"), department() + &rendering)?;
        let outbox = self.directory.join("share").join(id);
        fs::create_dir_all(&outbox).with_context(|| format!("create {}", outbox.display()))?;
        Ok(outbox)
    }

    /// Delivers what there is to deliver, measured. Fails unless it is so many files.
    pub(crate) fn deliver(&self, files: u64) -> Result<Sample> {
        let summary = self.directory.join("summary.json");
        let output = File::create(&summary)?;
        let sample = measure::run(self.command(&["--json", "run", "--until-idle"]).stdout(output))?;
        let told = fs::read_to_string(&summary)?;
        let last: serde_json::Value = serde_json::from_str(told.lines().last().unwrap_or_default())?;
        ensure!(last["renderings"][0]["delivered"] == files, "{files} files were to be delivered: {told}");
        Ok(sample)
    }

    /// Removes its topics and files.
    pub(crate) fn remove(self) -> Result<()> {
        let own = ["InvoiceIssued", "ledger", "manifests", "rejects", "deliveries", "control"];
        let topics: Vec<String> = own.iter().map(|topic| format!("{}.{topic}", self.name)).collect();
        self.bed.delete_topics(&topics.iter().map(String::as_str).collect::<Vec<_>>())?;
        fs::remove_dir_all(&self.directory).with_context(|| format!("remove {}", self.directory.display()))
    }

    fn configure(&self) -> Result<()> {
        let config = self.directory.join("config");
        for below in ["departments", "layouts", "schemas"] {
            fs::create_dir_all(config.join(below))?;
        }
        fs::create_dir_all(self.inbox())?;
        let bridge = BRIDGE.replace("@NAME@", &self.name).replace("@BROKERS@", &self.bed.brokers);
        fs::write(config.join("bridge.toml"), bridge.replace("@PARTITIONS@", &PARTITIONS.to_string()))?;
        fs::write(config.join("departments/sales.toml"), department())?;
        let fields: String =
            COLUMNS.iter().map(|(name, stated)| format!("  {{ name = \"{name}\", {stated} }},\n")).collect();
        let layout = format!(
            "name = \"rows\"\nversion = 1\nkind = \"delimited\"\nencoding = \"utf-8\"\nterminator = \"lf\"\n\
             [delimited]\ndelimiter = \";\"\n[[record]]\nname = \"row\"\nfield = [\n{fields}]\n"
        );
        fs::write(config.join("layouts/rows.toml"), layout)?;
        Ok(fs::write(config.join("schemas/InvoiceIssued.json"), SCHEMA)?)
    }
}

/// The feed as it is configured.
fn department() -> String {
    let data: String = COLUMNS.iter().map(|(name, _)| format!("{name} = \"row.{name}\"\n")).collect();
    DEPARTMENT.to_owned() + &data
}

/// Writes a file of invoices, from this row on. Made by counting, so that every run has the same. Answers its size.
pub(crate) fn write_rows(path: &Path, first: u64, count: u64) -> Result<u64> {
    let create = || -> std::io::Result<u64> {
        let mut out = BufWriter::new(File::create(path)?);
        for row in first..first + count {
            write_row(&mut out, row)?;
        }
        Ok(out.into_inner()?.metadata()?.len())
    };
    create().with_context(|| format!("write {}", path.display()))
}

fn write_row(out: &mut impl Write, row: u64) -> std::io::Result<()> {
    let net = 1_000 + row * 7 % 9_999_000;
    let tax = net * 19 / 100;
    let (gross, day, month) = (net + tax, 1 + row % 28, 1 + row % 12);
    writeln!(
        out,
        "RE{row:010};K{:09};Gartenbau Meyer & Soehne {:05};2026{month:02}{day:02};2027{month:02}{day:02};\
         {}.{:02};{}.{:02};{}.{:02};EUR;Projekt {:06} Los {:03} / {:04}",
        row * 31 % 1_000_000_000,
        row % 100_000,
        net / 100,
        net % 100,
        tax / 100,
        tax % 100,
        gross / 100,
        gross % 100,
        row % 1_000_000,
        row % 1000,
        row % 10_000,
    )
}
