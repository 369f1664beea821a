//! The process itself: which build it is, and what it takes. Read from `/proc/self` (proc(5)) when somebody asks.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::Level;

/// Numbers about the process.
#[derive(Debug)]
pub struct ProcessMetrics {
    resident: Gauge,
    open_files: Gauge,
    cpu: Counter<f64, AtomicU64>,
}

impl ProcessMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self { resident: Gauge::default(), open_files: Gauge::default(), cpu: Counter::default() };
        let build: Family<Vec<(&str, &str)>, Gauge> = Family::default();
        build.get_or_create(&vec![("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("build_info", "1, with the version as label", build);
        let start = Level::default();
        start.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        registry.register_with_unit("start_time", "When the process began, since the epoch", Unit::Seconds, start);
        let resident = "Resident memory of the process";
        registry.register_with_unit("resident_memory", resident, Unit::Bytes, metrics.resident.clone());
        registry.register("open_file_descriptors", "Open file descriptors", metrics.open_files.clone());
        let cpu = "User and system time that the process took so far";
        registry.register_with_unit("cpu", cpu, Unit::Seconds, metrics.cpu.clone());
        metrics
    }

    pub(super) fn refresh(&self) {
        if let Some(pages) = fs::read_to_string("/proc/self/statm").ok().as_deref().and_then(resident_pages) {
            let page = i64::try_from(rustix::param::page_size()).unwrap_or(4096);
            self.resident.set(pages.saturating_mul(page));
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // The directory is itself open while it is read.
            self.open_files.set(i64::try_from(files.count().saturating_sub(1)).unwrap_or(i64::MAX));
        }
        if let Some(ticks) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu_ticks) {
            let seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
            // The kernel counts; what it says replaces what it said before.
            self.cpu.inner().store(seconds.to_bits(), Ordering::Relaxed);
        }
    }
}

/// The second number of `/proc/self/statm`.
fn resident_pages(statm: &str) -> Option<i64> {
    statm.split(' ').nth(1)?.parse().ok()
}

/// Fields 14 and 15 of `/proc/self/stat`; the name before them may have blanks and parentheses.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_are_read() {
        assert_eq!(resident_pages("2000 150 90 10 0 80 0\n"), Some(150));
        assert_eq!(cpu_ticks("7 (a b) c) S 1 7 7 0 -1 4194560 99 0 0 0 12 30 0 0 20 0 4 0"), Some(42));
        assert_eq!((resident_pages(""), cpu_ticks("nothing")), (None, None));
    }
}
