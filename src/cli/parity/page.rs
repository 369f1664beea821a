//! A report as one page for the owner of a department. It loads nothing, runs nothing, and can be sent as it is: what
//! comes from files and configuration is text, and never markup.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::super::output::counted;
use super::show::meaning;
use crate::domain::BusinessDate;
use crate::parity::{Compared, Expected, FileReport, Finding, Outcome, Report, Seen, Verdict};

const STYLE: &str = include_str!("page.css");

/// Nothing but the style that stands in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The page.
#[must_use]
pub(super) fn of(report: &Report) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width";
                title { "Parity: " (report.department) " " (dates(report)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (first_screen(report))
                (files(report))
                @for file in &report.files { (details(file)) }
            }
        }
    };
    page.into_string()
}

fn dates(report: &Report) -> String {
    match report.dates() {
        Some((first, last)) if first == last => date(first),
        Some((first, last)) => format!("{} to {}", date(first), date(last)),
        None => "of no stated date".to_owned(),
    }
}

fn date(date: BusinessDate) -> String {
    date.to_string()
}

fn first_screen(report: &Report) -> Markup {
    let totals = report.totals();
    let is_parity = report.is_parity();
    html! {
        header {
            h1 { "Parity of department " (report.department) }
            p.soft { "Bridge " (report.bridge) ", compared " (report.created_at.local()) }
        }
        main.first {
            section #verdict.verdict.(if is_parity { "good" } else { "bad" }) {
                strong { (if is_parity { "Parity" } else { "No parity" }) }
                span { (in_words(report)) }
            }
            section {
                h2 { "What was compared" }
                dl #counts.counts {
                    dt { "Business dates" } dd #dates { (dates(report)) }
                    dt { "Feeds" } dd { (feeds(report)) }
                    dt { "Files" } dd { (totals.files) ", " (totals.files_in_parity) " in parity" }
                    dt { "Records of the batch job" } dd { (totals.legacy_records) }
                    dt { "Records of the new service" } dd { (totals.candidate_records) }
                    dt { "Records that both have" } dd { (totals.compared) }
                    dt { "Differences" } dd { (totals.differences) " not expected, " (totals.expected) " expected by rules" }
                }
            }
            (signature(report))
        }
    }
}

/// What the owner is asked to sign: what they saw, and not what comes of it.
fn signature(report: &Report) -> Markup {
    html! {
        section #sign.sign {
            h2 { "For the owner of " (report.department) }
            @if report.is_parity() {
                p {
                    "I have seen this comparison for " (dates(report)) ". The files of the new service may stand for those "
                    "of the batch job, with the differences that are listed below as expected. I agree that these dates "
                    "count towards the cutover."
                }
            } @else {
                p {
                    "I have seen this comparison for " (dates(report)) ". The files differ as listed below. "
                    "These dates do not count towards the cutover."
                }
            }
            div.lines {
                span { "Name" } span.rule {}
                span { "Date" } span.rule {}
                span { "Signature" } span.rule {}
            }
            p.soft { "Report " code #report { (report.id().short()) } }
        }
    }
}

fn in_words(report: &Report) -> String {
    let count = |verdict: Verdict| report.files.iter().filter(|file| file.verdict == verdict).count();
    let words = Verdict::ALL.into_iter().filter(|verdict| count(*verdict) > 0);
    let words: Vec<String> =
        words.map(|verdict| format!("{}: {}", counted(count(verdict) as u64, "file"), meaning(verdict))).collect();
    if words.is_empty() { "No file was compared".to_owned() } else { words.join("; ") }
}

fn feeds(report: &Report) -> String {
    let mut feeds: Vec<&str> = report.files.iter().map(|file| file.feed.as_str()).collect();
    feeds.sort_unstable();
    feeds.dedup();
    feeds.join(", ")
}

fn files(report: &Report) -> Markup {
    html! {
        h2 { "Files" }
        table.files {
            thead { tr {
                th { "Feed" } th { "Date" } th { "Number" } th { "Verdict" } th { "Batch job" } th { "New service" }
            } }
            tbody {
                @for file in &report.files {
                    tr {
                        td { (file.feed) }
                        td { (file.business_date.map(date).unwrap_or_default()) }
                        td { (file.sequence.as_deref().unwrap_or_default()) }
                        td {
                            (file.verdict) ": " (meaning(file.verdict))
                            @if let Some(why) = &file.why { div.soft { (why) } }
                        }
                        td { (side(file.legacy_file.as_deref(), file.outcome.as_ref().map(|outcome| &outcome.legacy))) }
                        td {
                            (side(file.candidate_file.as_deref(), file.outcome.as_ref().map(|outcome| &outcome.candidate)))
                            @if let Some(from) = file.candidate_from { div.soft { (from) } }
                        }
                    }
                }
            }
        }
        @for note in &report.notes { p { "Note: " (note) } }
    }
}

fn side(name: Option<&str>, compared: Option<&Compared>) -> Markup {
    html! {
        (name.unwrap_or("none"))
        @if let Some(compared) = compared {
            div.soft {
                (compared.bytes) " bytes"
                @if let Some(records) = compared.records { ", " (records) " records" }
                @if compared.bad_records > 0 { ", " (compared.bad_records) " of them bad and passed over" }
                br;
                "SHA-256 " code { (compared.sha256) }
            }
            @for reject in compared.reject.iter().chain(&compared.first_bad) { div { (reject) } }
        }
    }
}

fn details(file: &FileReport) -> Markup {
    let Some(outcome) = file.outcome.as_ref().filter(|outcome| outcome.verdict != Verdict::Identical) else {
        return html! {};
    };
    html! {
        h2 {
            (file.feed)
            @if let Some(day) = file.business_date { " " (date(day)) }
            @if let Some(sequence) = &file.sequence { "/" (sequence) }
        }
        p {
            (outcome.tally.compared) " records are in both files, " (outcome.tally.equal) " of them equal. "
            (outcome.tally.differences()) " differences are not expected."
            @if let Some(byte) = outcome.first_difference { " The first byte that differs is " (byte) "." }
        }
        (findings(file))
        (expected(outcome))
    }
}

fn findings(file: &FileReport) -> Markup {
    html! {
        @if !file.findings.is_empty() {
            table {
                thead { tr {
                    th { "Difference" } th { "Of" } th { "Key" } th { "Batch job" } th { "New service" }
                } }
                tbody { @for finding in &file.findings { (finding_row(finding)) } }
            }
        }
        @if file.findings_left_out > 0 {
            p { "And " (file.findings_left_out) " more, which are counted and not shown." }
        }
    }
}

fn finding_row(finding: &Finding) -> Markup {
    html! {
        tr {
            td { (finding.kind.words()) }
            td { (finding.subject()) }
            td { (finding.key.as_deref().unwrap_or_default()) }
            td { (seen(finding.legacy.as_ref())) }
            td { (seen(finding.candidate.as_ref())) }
        }
    }
}

fn seen(seen: Option<&Seen>) -> Markup {
    html! {
        @if let Some(seen) = seen {
            @if let Some(value) = &seen.value { code { (value) } br; }
            span.soft {
                @if let Some(record) = seen.record { "record " (record) ", " }
                @if let Some(line) = seen.line { "line " (line) ", " }
                "byte " (seen.byte)
            }
        }
    }
}

fn expected(outcome: &Outcome) -> Markup {
    let row = |expected: &Expected| {
        html! {
            tr {
                td { (expected.rule) }
                td { (expected.subject) }
                td.number { (expected.count) }
                td { (seen(expected.example.legacy.as_ref())) }
                td { (seen(expected.example.candidate.as_ref())) }
            }
        }
    };
    html! {
        @if !outcome.expected.is_empty() {
            p { (outcome.expected_differences()) " differences are expected by the rules of the feed:" }
            table {
                thead { tr {
                    th { "Rule" } th { "Of" } th.number { "Times" } th { "Batch job, the first" } th { "New service" }
                } }
                tbody { @for one in &outcome.expected { (row(one)) } }
            }
        }
    }
}
