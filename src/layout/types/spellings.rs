//! Written texts that stand for canonical ones by a table, not by a rule: sentinels, codes, true and false.

use super::{Padding, Problem, Stated};
use crate::layout::Align;
use crate::layout::reject::shown;

/// Pairs of a written and a canonical text, in the order in which they were stated.
///
/// Of several spellings of one meaning the first is written; the others are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Spellings {
    pairs: Vec<(String, String)>,
}

impl Spellings {
    /// A table under a key of the field. Blanks around a spelling mean nothing, as blanks around a value do not.
    pub(super) fn compile<'p>(
        key: &'static str,
        pairs: impl Iterator<Item = (&'p str, &'p str)>,
        stated: &Stated<'_>,
    ) -> Result<Self, Problem> {
        let mut spellings = Self::default();
        for (written, canonical) in pairs {
            let written = written.trim_matches(' ');
            if spellings.meaning(written).is_some() {
                return Err((key, format!("{} stands there twice", shown(written))));
            }
            let mut bytes = Vec::new();
            let lacking = |character| {
                let encoding = stated.encoding.as_str();
                (key, format!("{} has {character:?}, which {encoding} does not have", shown(written)))
            };
            stated.encoding.encode(written, &mut bytes).map_err(lacking)?;
            if let Some(width) = stated.width.filter(|width| *width < bytes.len()) {
                return Err((key, format!("{} takes {} bytes, the field has {width}", shown(written), bytes.len())));
            }
            if written.contains(char::is_control) {
                return Err((key, format!("{} has a control character", shown(written))));
            }
            spellings.pairs.push((written.to_owned(), canonical.to_owned()));
        }
        Ok(spellings)
    }

    /// What a written text stands for.
    #[inline]
    pub(super) fn meaning(&self, written: &str) -> Option<&str> {
        self.pairs.iter().find(|(spelling, _)| spelling == written).map(|(_, canonical)| canonical.as_str())
    }

    /// How a canonical text is written.
    #[inline]
    pub(super) fn spelling(&self, canonical: &str) -> Option<&str> {
        self.pairs.iter().find(|(_, meaning)| meaning == canonical).map(|(written, _)| written.as_str())
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The pairs, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(written, canonical)| (written.as_str(), canonical.as_str()))
    }

    /// The spellings, as a reason names them.
    pub(super) fn list(&self) -> String {
        const MOST: usize = 8;
        let mut list: Vec<String> = self.pairs.iter().take(MOST).map(|(written, _)| shown(written)).collect();
        if self.pairs.len() > MOST {
            list.push(format!("{} more", self.pairs.len() - MOST));
        }
        list.join(", ")
    }

    /// The padding of a field that holds nothing but these.
    pub(super) fn padding(&self, stated: &Stated<'_>) -> Result<Option<Padding>, Problem> {
        let padding = Padding { pad: stated.pad.unwrap_or(b' '), align: stated.align.unwrap_or(Align::Left) };
        match self.pairs.iter().find(|(written, _)| padding.trim(written).len() != written.len()) {
            Some((written, _)) => Err(("pad", format!("would be taken off {} when it is read", shown(written)))),
            None => Ok(Some(padding)),
        }
    }
}
