//! How a delivery goes on whose intent is journaled: a pure decision from what stands under its names.
//!
//! Parts are published in their order, so those before the first that has its temporary name are published.
//!
//! | standing of the parts, in order | then |
//! |---|---|
//! | all published | the receipt |
//! | published …, staged, anything but published … | publish the first that is staged |
//! | no trace of one, or in doubt | a person: nobody can tell whether the consumer got it |
//! | published behind one that is staged | a person: somebody else has moved them |

use dropbridge_port::Standing;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Publish this part.
    Publish(usize),
    /// All are published: journal that.
    Receipt,
    /// A person has to decide.
    Hold(&'static str),
}

/// Decides. The parts stand in the order in which they are published.
#[must_use]
pub(super) fn next(standings: &[Standing]) -> Next {
    let first = standings.iter().position(|standing| *standing != Standing::Published);
    let Some(first) = first else { return Next::Receipt };
    let behind = standings.get(first..).unwrap_or_default();
    if behind.contains(&Standing::Nothing) {
        return Next::Hold(
            "neither its temporary name nor its witness is in the staging directory any more, so nobody can tell \
             whether the consumer got it",
        );
    }
    if behind.contains(&Standing::InDoubt) {
        return Next::Hold(
            "the step that gives it its name was interrupted, and the file is not there: nobody can tell whether the \
             consumer took it",
        );
    }
    if behind.contains(&Standing::Published) {
        return Next::Hold("its parts were published in another order: somebody has moved them");
    }
    Next::Publish(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Standing::{InDoubt, Nothing, Published, Staged};

    #[test]
    fn the_table_of_the_module() {
        let hold = Next::Hold("");
        let cases: Vec<(&[Standing], Next)> = vec![
            (&[Staged], Next::Publish(0)),
            (&[Published], Next::Receipt),
            (&[Nothing], hold.clone()),
            (&[InDoubt], hold.clone()),
            (&[Staged, Staged, Staged], Next::Publish(0)),
            (&[Published, Staged, Staged], Next::Publish(1)),
            (&[Published, Published, Staged], Next::Publish(2)),
            (&[Published, Published, Published], Next::Receipt),
            (&[Published, Published, Nothing], hold.clone()),
            (&[Published, Nothing, Staged], hold.clone()),
            (&[Nothing, Published, Published], hold.clone()),
            (&[Staged, Nothing, Staged], hold.clone()),
            (&[Staged, Staged, InDoubt], hold.clone()),
            (&[Published, InDoubt, Staged], hold.clone()),
            (&[Staged, Published, Staged], hold.clone()),
            (&[Staged, Staged, Published], hold),
        ];
        for (standings, expected) in cases {
            let decided = match next(standings) {
                Next::Hold(_) => Next::Hold(""),
                decided => decided,
            };
            assert_eq!(decided, expected, "{standings:?}");
        }
    }
}
