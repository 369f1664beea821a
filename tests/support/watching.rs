//! A running bridge and what it says: tests wait for what it does, not for the clock.

use rustix::process::Signal;

use super::{Running, Site, wait_for};

impl Site {
    /// Starts `run`, which says at each look at an inbox that it looked.
    pub fn run_traced(&self) -> Running {
        self.spawn(&["--log", "info,dropbridge=trace", "run"], None)
    }
}

impl Running {
    /// How often it has looked at its inboxes.
    pub fn looks(&self) -> usize {
        self.log().lines().filter(|line| line.contains("looked")).count()
    }

    /// Waits until it has seen what is there now: one look may have begun before, so the second counts.
    pub fn wait_for_a_look(&self) {
        let before = self.looks();
        wait_for("the bridge to look twice", || self.looks() >= before + 2);
    }

    /// Waits until a line of its log has all of these in it.
    pub fn wait_for_line(&mut self, parts: &[&str]) {
        let fits = |line: &str| parts.iter().all(|part| line.contains(part));
        wait_for(&format!("a line with {parts:?}"), || {
            let ended = self.child.try_wait().unwrap();
            let found = self.log().lines().any(fits);
            assert!(found || ended.is_none(), "it ended: {}", self.log());
            found
        });
    }

    /// Its log without the looks.
    pub fn said(&self) -> String {
        self.log().lines().filter(|line| !line.contains("TRACE")).map(|line| format!("{line}\n")).collect()
    }

    /// Ends it as an operator would; it has to end well.
    pub fn end(&mut self) {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.said());
    }
}
