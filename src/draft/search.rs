//! The search: candidates, each held against the samples, the better one kept.

use std::io::Read;

use super::dialect::{self, Dialect};
use super::fixed;
use super::judge::{Outcome, Score, judge};
use super::notes::{Notes, counted, field_place, number, shown};
use super::survey::{Survey, survey};
use super::{Draft, DraftError, Originals, Sample, narrow, shape, totals};
use crate::layout::{ColumnNames, Escape, FieldSpec, KindSpec, LayoutSpec, Quoting, Terminator};

/// So often narrower types are taken back one by one; then all at once.
const MOST_ROUNDS: usize = 40;

/// See [`super::draft`].
pub(super) fn draft(name: &str, samples: &[Sample], originals: &dyn Originals) -> Result<Draft, DraftError> {
    if samples.iter().all(|sample| sample.bytes == 0) {
        let message = if samples.is_empty() { "no sample was given" } else { "every sample is empty" };
        return Err(DraftError::Samples(message.to_owned()));
    }
    let mut notes = Notes::default();
    let names: Vec<String> = samples.iter().map(|sample| sample.name.clone()).collect();
    let mut survey = survey(samples, &mut notes);
    let text = as_text(name, &mut survey, samples, &mut notes);
    let windows = &survey.windows;
    let window = |index: usize| Ok(Box::new(windows[index].as_slice()) as Box<dyn Read>);
    let search = Search { names: &names, open: &window };
    let text = search.quoting(text, &survey.texts, &mut notes)?;
    let text = search.or_lines(text, &survey, &mut notes)?;
    let narrower = narrow::narrow(&text, windows, &mut notes);
    let (narrower, _) = search.settle(narrower, &text, &mut notes)?;
    let narrower = search.without_quoted_fields(narrower, &mut notes)?;
    let whole = |index: usize| originals.open(index);
    let proof = Search { names: &names, open: &whole };
    let (mut spec, mut outcomes) = proof.settle(narrower, &text, &mut notes)?;
    let mut controlled = spec.clone();
    controlled.controls = totals::find(&spec, &names, originals, &mut notes)?;
    if !controlled.controls.is_empty() {
        let proven = proof.judge(&controlled)?;
        if Score::of(&proven) <= Score::of(&outcomes) {
            (spec, outcomes) = (controlled, proven);
        }
    }
    describe(samples, &outcomes, &mut notes);
    Ok(Draft { spec, outcomes, notes })
}

/// The layout with everything as text, as the evidence has it.
fn as_text(name: &str, survey: &mut Survey, samples: &[Sample], notes: &mut Notes) -> LayoutSpec {
    let same_length = fixed::same_length(survey);
    if survey.terminators.is_empty() {
        if let Some(found) = fixed::by_length(survey, samples) {
            return fixed::spec(name, survey, found, notes);
        }
        survey.terminators = vec![Terminator::Lf];
    }
    let dialect = dialect::choose(&survey.texts, &survey.terminators, same_length.is_some(), notes);
    if let Some(dialect) = dialect {
        return shape::delimited(name, survey, &dialect, notes);
    }
    if let Some(found) = same_length.or_else(|| fixed::trimmed(survey)) {
        return fixed::spec(name, survey, found, notes);
    }
    lines(name, survey, notes)
}

/// Each line as one field: what can be said of lines that nothing divides.
fn lines(name: &str, survey: &Survey, notes: &mut Notes) -> LayoutSpec {
    let unused = |delimiter: &&str| {
        let byte = delimiter.as_bytes()[0];
        !survey.texts.iter().any(|text| text.contains(&byte))
    };
    let delimiter = ["|", ";", "\t", "^", "~", "\u{1}", "\u{1f}"].into_iter().find(unused).unwrap_or("\u{1e}");
    let sentence = format!("Each line is one field: {} stands in no sample.", shown(delimiter));
    notes.add("delimited.delimiter", sentence);
    // Where line breaks differ, nobody knows which of them end a record.
    let terminator = match survey.terminators.as_slice() {
        [terminator] => *terminator,
        _ => Terminator::Mixed,
    };
    let dialect = Dialect { terminator, delimiter: delimiter.to_owned(), quote: None, escape: Escape::None };
    shape::delimited(name, survey, &dialect, notes)
}

/// Candidates against samples: their windows, or all of them.
struct Search<'s, 'r> {
    names: &'s [String],
    open: &'s dyn Fn(usize) -> std::io::Result<Box<dyn Read + 'r>>,
}

impl Search<'_, '_> {
    fn judge(&self, spec: &LayoutSpec) -> Result<Vec<Outcome>, DraftError> {
        judge(spec, self.names, self.open)
    }

    /// How good a candidate is; one that is no layout is the worst.
    fn score(&self, spec: &LayoutSpec) -> Result<Score, DraftError> {
        match self.judge(spec) {
            Ok(outcomes) => Ok(Score::of(&outcomes)),
            Err(DraftError::Invalid(_)) => Ok(Score::WORST),
            Err(error) => Err(error),
        }
    }

    /// When fields are quoted: the policy with the fewest exceptions.
    fn quoting(&self, spec: LayoutSpec, texts: &[Vec<u8>], notes: &mut Notes) -> Result<LayoutSpec, DraftError> {
        let KindSpec::Delimited(kind) = &spec.kind else { return Ok(spec) };
        let Some(quote) = kind.quote else {
            notes.add("delimited.quote", "Read with quotes the lines would be divided less evenly, if there are any.");
            return Ok(spec);
        };
        if !texts.iter().any(|text| text.contains(&quote)) {
            notes.add("delimited.quoting", "No sample has a quote: this is what is usual.");
            return Ok(spec);
        }
        let dialect = Dialect {
            terminator: spec.terminator,
            delimiter: kind.delimiter.clone(),
            quote: kind.quote,
            escape: kind.escape,
        };
        let cells: Vec<bool> = texts
            .iter()
            .flat_map(|text| dialect::rows(text, &dialect))
            .flat_map(|row| row.cells)
            .map(|cell| cell.quoted)
            .collect();
        let quoted = cells.iter().filter(|quoted| **quoted).count();
        let by_column = quoted_columns(&spec, texts, &dialect);
        let mut candidates: Vec<LayoutSpec> =
            [Quoting::Minimal, Quoting::All, Quoting::NonEmpty].map(|quoting| with_quoting(&spec, quoting)).into();
        candidates.extend([quoted_empty(&spec, texts, &dialect), quoted_empty(&by_column, texts, &dialect), by_column]);
        let first = |(index, candidate): &(usize, &LayoutSpec)| !candidates[..*index].contains(candidate);
        let candidates: Vec<&LayoutSpec> =
            candidates.iter().enumerate().filter(first).map(|(_, candidate)| candidate).collect();
        let mut best = (Score::WORST, spec);
        let mut told = Vec::new();
        for candidate in candidates {
            let score = self.score(candidate)?;
            let word = quoting_of(candidate);
            told.push(format!("{word}: {}", told_score(score, self.names.len())));
            if score < best.0 {
                best = (score, candidate.clone());
            }
            if score.is_exact() {
                break;
            }
        }
        let of = counted(cells.len(), "field");
        notes.add("delimited.quoting", format!("{} of {of} are quoted. {}.", number(quoted as u64), told.join("; ")));
        Ok(best.1)
    }

    /// Takes lines as they are where they are divided so unevenly that no sample is proven; columns that have names are
    /// worth more than that.
    fn or_lines(&self, spec: LayoutSpec, survey: &Survey, notes: &mut Notes) -> Result<LayoutSpec, DraftError> {
        let KindSpec::Delimited(kind) = &spec.kind else { return Ok(spec) };
        let is_table = kind.column_names != ColumnNames::Absent || spec.records.len() > 1;
        let score = self.score(&spec)?;
        if is_table || score.proves_any(self.names.len()) {
            return Ok(spec);
        }
        let mut other_notes = notes.clone();
        let place = "delimited.delimiter";
        other_notes
            .replace(place, format!("Rejected: {} divides no sample so that it is proven.", shown(&kind.delimiter)));
        for gone in
            ["delimited.ragged", "delimited.quoting", "lines.preamble", "lines.footer", "lines.comment", "lines.blank"]
        {
            other_notes.remove(gone);
        }
        let undivided = lines(&spec.name, survey, &mut other_notes);
        if self.score(&undivided)? >= score {
            return Ok(spec);
        }
        *notes = other_notes;
        Ok(undivided)
    }

    /// One policy instead of a statement at each field, where it proves as much.
    fn without_quoted_fields(&self, spec: LayoutSpec, notes: &mut Notes) -> Result<LayoutSpec, DraftError> {
        if !spec.records.iter().flat_map(|record| &record.fields).any(|field| field.quoted.is_some()) {
            return Ok(spec);
        }
        let mut simpler = with_quoting(&spec, Quoting::NonNumeric);
        simpler.records.iter_mut().flat_map(|record| &mut record.fields).for_each(|field| field.quoted = None);
        if self.score(&simpler)? > self.score(&spec)? {
            return Ok(spec);
        }
        notes.add("delimited.quoting", "Everything but numbers is quoted.");
        Ok(simpler)
    }

    /// Takes narrower types back until the layout proves as much as with text.
    fn settle(
        &self,
        mut spec: LayoutSpec,
        text: &LayoutSpec,
        notes: &mut Notes,
    ) -> Result<(LayoutSpec, Vec<Outcome>), DraftError> {
        let mut wanted = None;
        for round in 0.. {
            let outcomes = match self.judge(&spec) {
                Ok(outcomes) => outcomes,
                Err(DraftError::Invalid(_)) if spec.records != text.records => {
                    widen_all(&mut spec, text, notes);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let score = Score::of(&outcomes);
            if score.is_exact() || spec.records == text.records {
                return Ok((spec, outcomes));
            }
            let wanted_score = match wanted {
                Some(score) => score,
                None => self.score(text)?,
            };
            wanted = Some(wanted_score);
            if score <= wanted_score {
                return Ok((spec, outcomes));
            }
            let culprits = outcomes.iter().flat_map(Outcome::culprits);
            let widened = culprits.filter(|(record, field)| widen(&mut spec, text, record, field, notes)).count();
            if widened == 0 || round >= MOST_ROUNDS {
                widen_all(&mut spec, text, notes);
            }
        }
        Ok((spec, Vec::new()))
    }
}

fn with_quoting(spec: &LayoutSpec, quoting: Quoting) -> LayoutSpec {
    let mut spec = spec.clone();
    if let KindSpec::Delimited(kind) = &mut spec.kind {
        kind.quoting = quoting;
    }
    spec
}

fn quoting_of(spec: &LayoutSpec) -> &'static str {
    let stated = spec.records.iter().flat_map(|record| &record.fields).any(|field| field.quoted.is_some());
    let optional = spec.records.iter().flat_map(|record| &record.fields).any(|field| field.optional);
    match &spec.kind {
        KindSpec::Delimited(_) if stated && optional => "by column, and empty texts",
        KindSpec::Delimited(_) if stated => "by column",
        KindSpec::Delimited(_) if optional => "minimal, and empty texts",
        KindSpec::Delimited(kind) => super::write::quoting_word(kind.quoting),
        KindSpec::FixedWidth(_) => "none",
    }
}

fn told_score(score: Score, samples: usize) -> String {
    match score {
        Score::WORST => "impossible".to_owned(),
        score if score.is_exact() => "all exact".to_owned(),
        score => score.told(samples),
    }
}

/// The same layout, columns that are quoted nearly everywhere stated so.
fn quoted_columns(spec: &LayoutSpec, texts: &[Vec<u8>], dialect: &Dialect) -> LayoutSpec {
    change_fields(spec, texts, dialect, |field, cells| {
        if cells.quoted * 10 > cells.all * 9 {
            field.quoted = Some(true);
        }
    })
}

/// The same layout, columns where an empty text is quoted made optional: one without quotes is absent then.
fn quoted_empty(spec: &LayoutSpec, texts: &[Vec<u8>], dialect: &Dialect) -> LayoutSpec {
    change_fields(spec, texts, dialect, |field, cells| {
        field.optional |= cells.quoted_empty > 0 && field.type_word == "text";
    })
}

/// How the cells of a column stand in samples.
#[derive(Clone, Copy, Debug, Default)]
struct Cells {
    all: usize,
    quoted: usize,
    quoted_empty: usize,
}

fn change_fields(
    spec: &LayoutSpec,
    texts: &[Vec<u8>],
    dialect: &Dialect,
    change: impl Fn(&mut FieldSpec, Cells),
) -> LayoutSpec {
    let mut spec = spec.clone();
    let named = matches!(&spec.kind, KindSpec::Delimited(kind) if kind.column_names != ColumnNames::Absent);
    for record in &mut spec.records {
        let mark = record.matches.clone();
        let mut columns = vec![Cells::default(); record.fields.len()];
        for text in texts {
            for row in dialect::rows(text, dialect).iter().skip(usize::from(named) + spec.lines.preamble) {
                if mark.as_ref().is_some_and(|mark| row.cell(text, 0) != mark.as_bytes()) {
                    continue;
                }
                for (column, cell) in columns.iter_mut().zip(&row.cells) {
                    column.all += 1;
                    column.quoted += usize::from(cell.quoted);
                    column.quoted_empty += usize::from(cell.quoted && cell.start == cell.end);
                }
            }
        }
        for (field, cells) in record.fields.iter_mut().zip(columns) {
            change(field, cells);
        }
    }
    spec
}

/// Makes one field text again; `false` where it is, or where there is no such field.
fn widen(spec: &mut LayoutSpec, text: &LayoutSpec, record: &str, field: &str, notes: &mut Notes) -> bool {
    for (narrow, wide) in spec.records.iter_mut().zip(&text.records).filter(|(narrow, _)| narrow.name == record) {
        for (narrow, wide) in narrow.fields.iter_mut().zip(&wide.fields) {
            if narrow.name == field && narrow != wide {
                let sentence = format!("Text: as {} not every sample would come back as it is.", narrow.type_word);
                notes.replace(&field_place(record, field), sentence);
                *narrow = wide.clone();
                return true;
            }
        }
    }
    false
}

fn widen_all(spec: &mut LayoutSpec, text: &LayoutSpec, notes: &mut Notes) {
    for record in &text.records {
        for field in &record.fields {
            widen(spec, text, &record.name, &field.name, notes);
        }
    }
    spec.records.clone_from(&text.records);
}

/// What the file says first: what it is, and what it proves.
fn describe(samples: &[Sample], outcomes: &[Outcome], notes: &mut Notes) {
    let proven = outcomes.iter().filter(|outcome| outcome.is_proven()).count();
    let bytes: u64 = samples.iter().map(|sample| sample.bytes).sum();
    notes.add(
        "",
        format!(
            "A draft from {} ({} bytes), of which it proves {proven}. Every choice has its evidence above it: read it, \
             correct what the samples cannot show, give fields and record types their names, and take the comments out.",
            counted(samples.len(), "sample"),
            number(bytes)
        ),
    );
    for (sample, outcome) in samples.iter().zip(outcomes).filter(|(_, outcome)| !outcome.is_proven()) {
        notes.add("", format!("Not proven: {}, {}.", shown(&sample.name), outcome.place()));
    }
}
