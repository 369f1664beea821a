//! A site with the tree's own `config/`: three departments, nine feeds.

use std::fs;

use super::fixtures::{Case, copy_tree};
use super::{LogKind, Site, tree};

impl Site {
    /// The estate of `config/`, initialised, its inboxes empty.
    pub fn estate(log: LogKind) -> Self {
        let site = Self::uninitialised_estate(log);
        site.ok(&["init", "--baseline", "take"]);
        site
    }

    /// The same, without `init`.
    pub fn uninitialised_estate(log: LogKind) -> Self {
        let site = Self::bare(log);
        copy_tree(&tree().join("config"), &site.path("config"));
        // Name and topics of its own, everything else as it stands.
        let name = site.prefix.trim_end_matches('.');
        let kafka = format!("kind = \"kafka\"\n[log.kafka]\nbrokers = \"{}\"\n", site.brokers);
        let mut changes = vec![
            ("name = \"example\" ", format!("name = \"{name}\" ")),
            ("prefix = \"dropbridge.\" ", format!("prefix = \"{}\" ", site.prefix)),
            ("state = \"../var/state\"", "state = \"../state\"".to_owned()),
            ("path = \"../var/store\"", "path = \"../store\"".to_owned()),
            ("address = \"../var/estate\"", "address = \"../estate\"".to_owned()),
        ];
        if log == LogKind::Kafka {
            changes.push(("kind = \"embedded\"\n", kafka));
        }
        let file = site.path("config/bridge.toml");
        let mut text = fs::read_to_string(&file).unwrap();
        for (from, to) in &changes {
            assert_eq!(text.matches(from).count(), 1, "config/bridge.toml has to have `{from}` once");
            text = text.replace(from, to);
        }
        fs::write(&file, text).unwrap();
        for case in Case::all() {
            fs::create_dir_all(site.estate_inbox(&case)).unwrap();
        }
        site
    }

    /// The inbox of a case's feed.
    pub fn estate_inbox(&self, case: &Case) -> std::path::PathBuf {
        self.path("estate").join(&case.department).join(&case.feed)
    }

    /// Drops the files of a case: data, marker and sidecar.
    pub fn drop_case(&self, case: &Case) {
        copy_tree(&case.input(), &self.estate_inbox(case));
    }
}
