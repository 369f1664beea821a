//! Where the processor time of the large file goes: sampled by Linux' `perf`, summed up by thread and by function.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::figures::grouped;
use super::forward::ForwardOptions;
use super::report::{Section, table};
use super::site::{Site, write_rows};
use super::test_bed::{TestBed, succeed};
use crate::{programs, workspace};

/// Functions that are shown, at most.
const FUNCTIONS: usize = 25;

/// What a function's name says about the part it belongs to; the first that fits counts.
const PARTS: [(&str, &[&str]); 13] = [
    ("the kernel", &["[k] ", "[vdso]"]),
    ("compression (LZ4)", &["LZ4", "lz4"]),
    ("compression (zstd)", &["ZSTD", "zstd", "HUF_", "FSE_"]),
    ("checksums", &["crc32", "sha2", "sha256", "sha_ni", "compress256", "digest"]),
    ("librdkafka", &["rd_", "rdk", "murmur", "mtx_", "cnd_", "pthread", "tinycthread"]),
    ("the Kafka adapter", &["dropbridge_kafka"]),
    ("layout: parse, render, prove", &["dropbridge::layout"]),
    ("mapping: events, and back", &["dropbridge::mapping"]),
    ("domain: envelope, dates", &["dropbridge::domain"]),
    ("schema and JSON", &["jsonschema", "serde", "referencing"]),
    ("Rust's library: text, hash maps, …", &["core::", "alloc::", "std::", "hashbrown", "ryu", "itoa", "jiff"]),
    ("the rest of dropbridge", &["dropbridge"]),
    ("memory: allocator, copies", &["mi_", "_mi_", "mem", "malloc", "free", "realloc", "calloc"]),
];

/// Of the large file on its way into the log.
pub(crate) fn run(bed: &TestBed, options: &ForwardOptions) -> Result<Section> {
    let site = Site::new(bed, "profile")?;
    write_rows(&site.inbox().join("rows_1.csv"), 0, options.rows)?;
    let what = format!("the large file ({} rows)", grouped(options.rows as f64, 0));
    let section = of(bed, "profile", &what, &site.command(&["run", "--until-idle"]))?;
    site.remove()?;
    Ok(section)
}

/// Of one run of a program. The whole list is kept beside the benchmarks, under the section's name.
pub(crate) fn of(bed: &TestBed, id: &'static str, what: &str, run: &Command) -> Result<Section> {
    programs::require("perf", "nothing says where the time goes; Debian's package is `linux-perf`")?;
    bed.settle();
    let data = bed.directory.join("perf.data");
    let mut record = Command::new("perf");
    record.args(["record", "-q", "-F", "997", "-o"]).arg(&data).arg("--").arg(run.get_program()).args(run.get_args());
    succeed(record.stdout(std::process::Stdio::null()))?;
    let sorted_by = |keys: &str| -> Result<String> {
        let mut report = Command::new("perf");
        report.args(["report", "--stdio", "-q", "-F", &format!("sample,{keys}"), "-s", keys, "-i"]).arg(&data);
        let output = report.output().context("run perf report")?;
        ensure!(output.status.success(), "perf report: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (threads, functions) = (counts(&sorted_by("comm")?), counts(&sorted_by("sym")?));
    let kept = workspace::target().join(format!("bench/{id}.txt"));
    fs::write(&kept, sorted_by("comm,sym")?).with_context(|| format!("write {}", kept.display()))?;
    let mut text = format!(
        "`perf record` over {what}, 997 samples a second of processor time; shares of all samples. \
         The whole list is in `target/bench/{id}.txt`.\n\n",
    );
    text += &shares("thread", &threads, threads.len());
    text.push('\n');
    text += &shares("part", &by_part(&functions), PARTS.len() + 1);
    text.push('\n');
    text += &shares("function", &functions, FUNCTIONS);
    Ok(Section { id, text })
}

/// Samples and name, from lines of `perf report`.
fn counts(report: &str) -> Vec<(String, u64)> {
    let line = |line: &str| {
        let (count, name) = line.trim().split_once(char::is_whitespace)?;
        Some((name.trim().to_owned(), count.parse().ok()?))
    };
    let mut counts: Vec<(String, u64)> = report.lines().filter_map(line).collect();
    counts.sort_by_key(|(_, samples)| std::cmp::Reverse(*samples));
    counts
}

fn by_part(functions: &[(String, u64)]) -> Vec<(String, u64)> {
    let mut parts: BTreeMap<&str, u64> = BTreeMap::new();
    for (function, samples) in functions {
        *parts.entry(part_of(function)).or_default() += samples;
    }
    let mut parts: Vec<(String, u64)> = parts.into_iter().map(|(part, samples)| (part.to_owned(), samples)).collect();
    parts.sort_by_key(|(_, samples)| std::cmp::Reverse(*samples));
    parts
}

fn part_of(function: &str) -> &'static str {
    let bare = function.trim_start_matches("[.] ").trim_start_matches('<').trim_start_matches("&mut ");
    let fits = |(_, beginnings): &&(&str, &[&str])| beginnings.iter().any(|beginning| bare.starts_with(beginning));
    PARTS.iter().find(fits).map_or("other", |(part, _)| part)
}

fn shares(what: &str, counts: &[(String, u64)], most: usize) -> String {
    let all: u64 = counts.iter().map(|(_, samples)| samples).sum();
    let lines: Vec<Vec<String>> = counts
        .iter()
        .take(most)
        .map(|(name, samples)| {
            let name: String = name.trim_start_matches("[.] ").chars().take(76).collect();
            vec![format!("{:.1} %", *samples as f64 * 100.0 / all as f64), format!("`{name}`")]
        })
        .collect();
    table(&["share", what], &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_perf_are_understood_and_summed_up_by_part() {
        let report =
            "\n       120  [.] rd_kafka_msg_new0\n        80  [k] copy_user\n 5 [.] <dropbridge::layout::X as Y>::z\n";
        let functions = counts(report);
        assert_eq!(functions.len(), 3);
        let parts = by_part(&functions);
        let share = |part: &str| parts.iter().find(|(name, _)| name == part).map(|(_, samples)| *samples);
        assert_eq!(share("librdkafka"), Some(120));
        assert_eq!(share("the kernel"), Some(80));
        assert_eq!(share("layout: parse, render, prove"), Some(5));
    }
}
