//! Names of files that are made: `INV_{business_date:YYYYMMDD}_{sequence:4}.dat`.

use crate::domain::BusinessDate;
use crate::domain::date::DateFormat;

/// Dates with two digits of the year are read as [`crate::domain::name_pattern::NamePattern`] reads them.
const PIVOT: u32 = 70;

/// The form of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNameForm {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Date(DateFormat),
    /// Digits, with zeros in front; 0: as many as there are.
    Sequence(usize),
}

impl FileNameForm {
    /// Reads a form: text, `{business_date:FORMAT}`, and `{sequence}` or `{sequence:DIGITS}`, each at most once.
    ///
    /// # Errors
    /// What is wrong with it, for whoever wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut form = Self { parts: Vec::new() };
        if text.is_empty() || text.starts_with('.') || text.contains(['/', '\0', '*', '?']) {
            return Err(format!(
                "`{text}` is no name of a file: it may not be empty, begin with `.`, or have `/`, `*`, `?`"
            ));
        }
        let mut rest = text;
        while !rest.is_empty() {
            let Some(begin) = rest.find('{') else {
                form.parts.push(Part::Text(rest.to_owned()));
                break;
            };
            if begin > 0 {
                form.parts.push(Part::Text(rest[..begin].to_owned()));
            }
            let end = rest[begin..].find('}').ok_or_else(|| format!("`{text}`: `{{` without `}}`"))? + begin;
            let placeholder = &rest[begin + 1..end];
            let part = form.placeholder(placeholder).map_err(|message| format!("`{placeholder}`: {message}"))?;
            form.parts.push(part);
            rest = &rest[end + 1..];
        }
        Ok(form)
    }

    fn placeholder(&self, placeholder: &str) -> Result<Part, String> {
        let (name, argument) = placeholder.split_once(':').unwrap_or((placeholder, ""));
        match name {
            "business_date" if self.has_date() => Err("it stands twice".to_owned()),
            "business_date" => DateFormat::compile(argument, PIVOT).map(Part::Date),
            "sequence" if self.has_sequence() => Err("it stands twice".to_owned()),
            "sequence" if argument.is_empty() => Ok(Part::Sequence(0)),
            "sequence" => match argument.parse() {
                Ok(digits) if (1..=18).contains(&digits) => Ok(Part::Sequence(digits)),
                _ => Err("digits go from 1 to 18".to_owned()),
            },
            _ => Err("is none of business_date, sequence".to_owned()),
        }
    }

    /// It names the business date.
    #[must_use]
    pub fn has_date(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Date(_)))
    }

    /// It names the sequence number.
    #[must_use]
    pub fn has_sequence(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Sequence(_)))
    }

    /// A number with the digits that it has in names.
    #[must_use]
    pub fn number(&self, sequence: u64) -> String {
        let digits = self.parts.iter().find_map(|part| match part {
            Part::Sequence(digits) => Some(*digits),
            _ => None,
        });
        format!("{sequence:0digits$}", digits = digits.unwrap_or(0))
    }

    /// The name of one file.
    ///
    /// # Errors
    /// The number has more digits than the name has room for, or the date cannot be written so.
    pub fn render(&self, date: BusinessDate, sequence: u64) -> Result<String, String> {
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Date(format) => format
                    .render(&date.to_string(), &mut name)
                    .map_err(|message| format!("the business date {date} {message}"))?,
                Part::Sequence(digits) => {
                    let number = format!("{sequence:0digits$}");
                    if *digits > 0 && number.len() > *digits {
                        return Err(format!("the number {sequence} has no room in {digits} digits"));
                    }
                    name.push_str(&number);
                }
            }
        }
        Ok(name)
    }
}
