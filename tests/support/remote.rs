//! Shares on real servers, whatever their protocol: what a test asks of a server and of the proxy in front of it, a
//! site whose directories are seen over it, and what is waited for there.

pub mod crash;
pub mod scenarios;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use dropbridge_conformance::fault_proxy::{FaultProxy, Plan};
use dropbridge_conformance::faults::Proxy;

use super::relayed::{self, Beside, Taken};
use super::{FeedOptions, LogKind, Running, Site, order_name, wait_for_or};

/// A real server that shows the files of this machine.
pub trait RemoteServer: Sync {
    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// A proxy in front of it, which breaks nothing yet.
    fn proxy(&self) -> Box<dyn PlannedProxy>;

    /// Lines of a share: a directory over the server, which is reached at `at`, directly or over a proxy.
    fn share_lines(&self, at: SocketAddr, directory: &Path) -> String;

    /// Kills it and all that serve its connections, as a power cut would.
    fn kill(&mut self);

    /// Starts it again, at the same address.
    fn start_again(&mut self);
}

/// A proxy whose faults change while it stands.
pub trait PlannedProxy: Proxy {
    /// Other faults for the connections that come.
    fn plan(&self, plan: Plan);
}

impl PlannedProxy for FaultProxy {
    fn plan(&self, plan: Plan) {
        FaultProxy::plan(self, plan);
    }
}

/// A site with this feed, its inbox (and outbox, `out`) reached over the server; not initialised.
pub fn uninitialised(server: &impl RemoteServer, at: SocketAddr, options: &FeedOptions) -> Site {
    let site = Site::uninitialised(LogKind::Embedded, options);
    fs::create_dir_all(site.path("share/out")).unwrap();
    let share = server.share_lines(at, &site.path("share"));
    site.configure(&FeedOptions { share, ..options.clone() });
    site
}

/// The same, initialised; nothing is taken as baseline.
pub fn site(server: &impl RemoteServer, at: SocketAddr, options: &FeedOptions) -> Site {
    let site = uninitialised(server, at, options);
    site.ok(&["init", "--baseline", "take"]);
    site
}

/// How it is seen of a file that all of it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// It has its final name.
    Renamed,
    /// Its marker stands beside it.
    Marked,
}

impl Ready {
    /// An interposed feed whose files are ready by this.
    pub fn options(self) -> FeedOptions {
        let ready = match self {
            Self::Renamed => "temporary = [\"*.part\"]",
            Self::Marked => "marker = \"{name}.done\"",
        };
        relayed::options("", ready)
    }

    /// What a consumer waits for beside a file.
    pub fn beside(self) -> Beside {
        match self {
            Self::Renamed => &[],
            Self::Marked => &[".done"],
        }
    }

    /// What lies in the outbox of a delivered file: it, and its empty marker where it has one.
    pub fn delivered(self, file: u32, bytes: Vec<u8>) -> impl Iterator<Item = Taken> {
        let markers = self.beside().iter().map(move |ending| (format!("{}{ending}", order_name(file)), Vec::new()));
        markers.chain([(order_name(file), bytes)])
    }

    /// Drops a file, and an empty marker behind it where one is waited for.
    pub fn drop_file(self, site: &Site, file: u32, bytes: &[u8]) {
        match self {
            Self::Renamed => site.drop_file(&order_name(file), bytes),
            Self::Marked => drop_marked(site, file, bytes, b""),
        }
    }
}

/// Drops a file, and behind it a marker that has this in it.
pub fn drop_marked(site: &Site, file: u32, bytes: &[u8], marker: &[u8]) {
    site.drop_file(&order_name(file), bytes);
    site.drop_file(&format!("{}.done", order_name(file)), marker);
}

/// Waits until the program has said something.
pub fn wait_for_log(running: &Running, text: &str) {
    wait_for_or(&format!("the log to say `{text}`"), || running.log(), || running.log().contains(text));
}

/// Waits for the events of these orders; there are no others then.
pub fn wait_for_orders(site: &Site, running: &Running, expected: &[String]) {
    wait_for_or("the events", || running.log(), || site.numbers().len() >= expected.len());
    assert_eq!(site.numbers(), expected, "each once");
}

/// Whether words stand in a table, whose cells break them, and even a fingerprint, into several lines.
pub fn says(table: &str, words: &str) -> bool {
    without_blanks(table).contains(&without_blanks(words))
}

fn without_blanks(text: &str) -> String {
    text.split_whitespace().collect()
}
