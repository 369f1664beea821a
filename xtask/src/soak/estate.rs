//! Where the soak takes place: configuration, inboxes, state and store of one bridge.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::kafka_node::KafkaNode;
use crate::workspace;

/// The feeds: a quiet time, a trailer with a control, and large files.
pub(crate) const FEEDS: [&str; 3] = ["orders", "framed", "bulk"];

/// Size of the store's file system, which can be filled.
const STORE_MIB: usize = 96;

const LAYOUT: &str = r#"
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

const SCHEMA: &str = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://dropbridge.dev/soak/OrderTaken/1",
"type":"object","required":["number","amount"],"additionalProperties":false,
"properties":{"number":{"type":"string","minLength":1},"amount":{"type":"string"}}}"#;

/// The program to be run: built, or as told.
pub(crate) fn program(told: Option<&Path>) -> Result<PathBuf> {
    if let Some(told) = told {
        return fs::canonicalize(told).with_context(|| told.display().to_string());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(workspace::root())
        .args(["build", "--release", "--bin", "dropbridge"])
        .status()
        .context("run cargo")?;
    ensure!(status.success(), "dropbridge cannot be built");
    Ok(workspace::target().join("release/dropbridge"))
}

/// The place.
pub(crate) struct Estate {
    root: PathBuf,
    binary: PathBuf,
    brokers: String,
    name: String,
    /// The store is a file system of its own, so that it can be filled.
    mounted: bool,
    kept: Cell<bool>,
}

impl Estate {
    /// Makes it anew, and initialises the bridge.
    pub(crate) fn new(node: &KafkaNode, binary: PathBuf, seed: u64) -> Result<Self> {
        let name = format!("soak-{seed}-{}", std::process::id());
        let root = workspace::target().join("soak").join(&name);
        for directory in ["config/departments", "config/layouts", "config/schemas", "share", "store", "state"] {
            let path = root.join(directory);
            fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        }
        let environment = node.environment()?;
        let brokers = environment.into_iter().find(|(name, _)| *name == "DROPBRIDGE_TEST_KAFKA");
        let brokers = brokers.context("the node has no address")?.1;
        let mounted = mount(&root.join("store"))?;
        let estate = Self { root, binary, brokers, name, mounted, kept: Cell::new(false) };
        for feed in FEEDS {
            fs::create_dir_all(estate.inbox(feed))?;
            let layout = format!("name = \"{feed}\"\n{LAYOUT}");
            fs::write(estate.root.join(format!("config/layouts/{feed}.toml")), layout)?;
        }
        fs::write(estate.root.join("config/schemas/OrderTaken.schema.json"), SCHEMA)?;
        estate.configure(0)?;
        estate.command(&["init", "--baseline", "take"])?;
        Ok(estate)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// A topic's whole name.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }

    pub(crate) fn inbox(&self, feed: &str) -> PathBuf {
        self.root.join("share").join(feed)
    }

    /// Whether the store can be filled.
    pub(crate) const fn can_be_filled(&self) -> bool {
        self.mounted
    }

    /// A file that takes the room in the store.
    pub(crate) fn ballast(&self) -> PathBuf {
        self.root.join("store/ballast")
    }

    /// Writes a right configuration; each number makes another one.
    pub(crate) fn configure(&self, number: usize) -> Result<()> {
        let bridge = format!(
            "departments = \"departments/*.toml\"\nlayouts = \"layouts/*.toml\"\n[bridge]\nname = \"{0}\"\n\
             state = \"../state\"\n[store]\npath = \"../store\"\n[log]\nkind = \"kafka\"\n[log.kafka]\n\
             brokers = \"{1}\"\n[topics]\nprefix = \"{0}.\"\npartitions = 3\n[transaction]\nmax_files = {2}\n\
             chunk_records = 1000\nmemory_capture_bytes = 32768\n[slot]\ntakeover_after_ms = 6000\n\
             [share.nas]\naddress = \"../share\"\n[event.OrderTaken]\nschema = \"schemas/OrderTaken.schema.json\"\n\
             retention = \"for ever\"\n",
            self.name,
            self.brokers,
            100 + number % 100
        );
        self.replace("config/bridge.toml", &bridge)?;
        for feed in FEEDS {
            let ready = if feed == "framed" { "trailer = true" } else { "quiet_ms = 300" };
            let department = format!(
                "department = \"{feed}\"\n[[feed]]\nid = \"{feed}\"\nshare = \"nas\"\ninbox = \"{feed}\"\n\
                 layout = \"{feed}\"\ninclude = [\"ORD_{{business_date:YYYYMMDD}}_{{sequence:7}}.dat\"]\n\
                 poll_ms = {}\n[feed.ready]\n{ready}\n[[feed.event]]\ntype = \"OrderTaken\"\nrecord = \"order\"\n\
                 key = \"order.number\"\n[feed.event.data]\nnumber = \"order.number\"\namount = \"order.amount\"\n",
                500 + number % 400
            );
            self.replace(&format!("config/departments/{feed}.toml"), &department)?;
        }
        Ok(())
    }

    /// Breaks the configuration.
    pub(crate) fn break_configuration(&self) -> Result<()> {
        self.replace("config/departments/framed.toml", "department = \"framed\"\n[[feed]]\nid = 7\nquiet = 1\n")
    }

    /// Whole or not at all, as a careful operator does it.
    fn replace(&self, file: &str, text: &str) -> Result<()> {
        let part = self.root.join("part");
        fs::write(&part, text)?;
        fs::rename(&part, self.root.join(file)).with_context(|| file.to_owned())
    }

    /// The program with this configuration.
    pub(crate) fn dropbridge(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(self.root.join("config/bridge.toml")).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a command that has to exit with 0.
    pub(crate) fn command(&self, arguments: &[&str]) -> Result<String> {
        let Output { status, stdout, stderr } = self.dropbridge(arguments).output().context("run dropbridge")?;
        if !status.success() {
            bail!("dropbridge {}: {status}: {}", arguments.join(" "), String::from_utf8_lossy(&stderr));
        }
        Ok(String::from_utf8_lossy(&stdout).into_owned())
    }

    /// Nothing is removed at the end.
    pub(crate) fn keep(&self) {
        self.kept.set(true);
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        if self.mounted {
            let _gone = Command::new("umount").arg(self.root.join("store")).status();
        }
        if !self.kept.get() {
            let _gone = fs::remove_dir_all(&self.root);
        }
    }
}

/// Gives the store a small file system of its own, which takes the right to mount.
fn mount(store: &Path) -> Result<bool> {
    if !rustix::process::geteuid().is_root() {
        println!("not root: the store cannot be filled, and that trouble is left out");
        return Ok(false);
    }
    let options = format!("size={STORE_MIB}m,mode=700");
    let output = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(store).output();
    let output = output.context("run mount")?;
    if !output.status.success() {
        println!("the store cannot be filled, that trouble is left out: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.status.success())
}
