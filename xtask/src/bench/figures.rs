//! Medians and ranges, and numbers as text that never flatter.

/// Median and range of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of values, at least one.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = match (values.first(), values.last()) {
            (Some(least), Some(most)) => (*least, *most),
            _ => (f64::NAN, f64::NAN),
        };
        Self { median: quantile(&values, 0.5), least, most }
    }

    /// `median (least–most)`, each by `text`.
    pub(crate) fn show(&self, text: impl Fn(f64) -> String) -> String {
        format!("{} ({}–{})", text(self.median), text(self.least), text(self.most))
    }
}

/// The value below which a part of all lies: of sorted values, and one of them, but for the median of an even number.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    let at = if part == 0.5 { last / 2.0 } else { (last * part).ceil() };
    let (below, above) = (sorted.get(at.floor() as usize), sorted.get(at.ceil() as usize));
    match (below, above) {
        (Some(below), Some(above)) => (below + above) / 2.0,
        _ => f64::NAN,
    }
}

/// A number of which more is better: cut off, never rounded up.
pub(crate) fn cut(value: f64, digits: usize) -> String {
    let scale = 10_f64.powi(i32::try_from(digits).unwrap_or(0));
    grouped((value * scale + 1e-9).floor() / scale, digits)
}

/// A cost, of which less is better: rounded up, never cut off.
pub(crate) fn cost(value: f64, digits: usize) -> String {
    let scale = 10_f64.powi(i32::try_from(digits).unwrap_or(0));
    // Nothing is added but a sign to zero: `-0.0` would be shown.
    grouped((value * scale - 1e-9).ceil() / scale + 0.0, digits)
}

/// A number with a comma between its thousands.
pub(crate) fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        let left = whole.len() - index;
        if index > 0 && left.is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_never_flatter() {
        assert_eq!(cut(0.599_9, 2), "0.59");
        assert_eq!(cut(0.6, 2), "0.60");
        assert_eq!(cost(2.501, 2), "2.51");
        assert_eq!(cost(2.5, 2), "2.50");
        assert_eq!(cost(0.0, 1), "0.0");
        assert_eq!(cut(1_234_567.9, 0), "1,234,567");
        assert_eq!(cut(123.0, 0), "123");
    }

    #[test]
    fn a_spread_has_the_middle_and_both_ends() {
        let spread = Spread::of([5.0, 1.0, 3.0]);
        assert_eq!(spread, Spread { median: 3.0, least: 1.0, most: 5.0 });
        assert_eq!(Spread::of([1.0, 2.0]).median, 1.5);
        assert_eq!(spread.show(|value| cut(value, 1)), "3.0 (1.0–5.0)");
    }

    #[test]
    fn a_high_quantile_is_a_value_that_was_measured_and_no_lower_one() {
        let values: Vec<f64> = (1..=500).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.99), 496.0);
    }
}
