//! What was put into an inbox, and what has to come of it.

use std::collections::BTreeMap;

use super::{Site, order_name, orders};

/// The files that a test dropped at a site, each with a name of its own.
#[derive(Default)]
pub struct Account {
    good: Vec<Good>,
    bad: Vec<(String, Vec<u8>)>,
    files: u32,
}

struct Good {
    name: String,
    bytes: Vec<u8>,
    numbers: Vec<String>,
}

impl Account {
    /// Drops the next file, with so many orders.
    pub fn drop_orders(&mut self, site: &Site, count: u32) {
        let (name, bytes) = self.next_orders(count);
        site.drop_file(&name, &bytes);
    }

    /// Name and bytes of the next file, which the caller puts into the inbox.
    pub fn next_orders(&mut self, count: u32) -> (String, Vec<u8>) {
        self.files += 1;
        let (numbers, bytes) = orders(self.files, count);
        let name = order_name(self.files);
        self.good.push(Good { name: name.clone(), bytes: bytes.clone(), numbers });
        (name, bytes)
    }

    /// Drops a file whose second line has no amount.
    pub fn drop_bad(&mut self, site: &Site) {
        self.files += 1;
        let (name, number) = (order_name(self.files), self.files);
        let bytes = format!("BAD-{number:05}-1|1.00\nBAD-{number:05}-2|none\n").into_bytes();
        site.drop_file(&name, &bytes);
        self.bad.push((name, bytes));
    }

    /// Name and bytes of a good file that was dropped before.
    pub fn good(&self, index: usize) -> (&str, &[u8]) {
        let good = &self.good[index % self.good.len()];
        (&good.name, &good.bytes)
    }

    /// How many good files there are.
    pub fn good_count(&self) -> usize {
        self.good.len()
    }

    /// How many bad files there are.
    pub fn bad_count(&self) -> usize {
        self.bad.len()
    }

    /// The number of every order of every good file, sorted.
    pub fn numbers(&self) -> Vec<&str> {
        let mut numbers: Vec<&str> = self.good.iter().flat_map(|good| &good.numbers).map(String::as_str).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Each record of the good files is there once, and nothing else is.
    pub fn check_events(&self, site: &Site, moment: &str) {
        let found = site.numbers();
        let mut tally: BTreeMap<&str, i64> = BTreeMap::new();
        for number in self.numbers() {
            *tally.entry(number).or_default() -= 1;
        }
        for number in &found {
            *tally.entry(number).or_default() += 1;
        }
        tally.retain(|_, difference| *difference != 0);
        let some: Vec<_> = tally.iter().take(5).collect();
        assert!(
            tally.is_empty(),
            "{:?}, {moment}: {} records are not there once (-1: missing, 1: doubled): {some:?}",
            site.log,
            tally.len()
        );
    }

    /// Events as above; one complete manifest for each good file, one reject and the bytes in the store for each bad
    /// one; and the ledger says the same.
    pub fn check(&self, site: &Site, moment: &str) {
        self.check_events(site, moment);
        let mut expected: Vec<(String, String)> =
            self.good.iter().map(|good| (good.name.clone(), "published".to_owned())).collect();
        expected.extend(self.bad.iter().map(|(name, _)| (name.clone(), "quarantined".to_owned())));
        expected.sort();
        let mut states = site.states();
        states.sort();
        assert_eq!(states, expected, "{:?}, {moment}: the ledger", site.log);
        self.check_manifests(site, moment);
        self.check_quarantine(site, moment);
    }

    fn check_manifests(&self, site: &Site, moment: &str) {
        let mut expected: Vec<(String, u64)> =
            self.good.iter().map(|good| (good.name.clone(), good.numbers.len() as u64)).collect();
        expected.sort();
        let mut found: Vec<(String, u64)> = Vec::new();
        for manifest in site.committed("manifests") {
            assert_eq!(manifest["status"], "complete", "{:?}, {moment}: {manifest}", site.log);
            found.push((manifest["entry"]["path"].as_str().unwrap().to_owned(), manifest["events"].as_u64().unwrap()));
        }
        found.sort();
        assert_eq!(found, expected, "{:?}, {moment}: the manifests", site.log);
    }

    fn check_quarantine(&self, site: &Site, moment: &str) {
        let mut expected: Vec<&str> = self.bad.iter().map(|(name, _)| name.as_str()).collect();
        expected.sort_unstable();
        let rejects = site.committed("rejects");
        let mut found: Vec<&str> = rejects.iter().map(|reject| reject["entry"]["path"].as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{:?}, {moment}: each bad file is rejected once", site.log);
        for reject in &rejects {
            let (path, hash) = (reject["entry"]["path"].as_str().unwrap(), reject["sha256"].as_str().unwrap());
            let stored = site.stored(hash);
            let dropped = self.bad.iter().find(|(name, _)| name == path).map(|(_, bytes)| bytes.clone());
            assert_eq!(stored, dropped, "{:?}, {moment}: the store has the bytes of {path}", site.log);
        }
    }
}
