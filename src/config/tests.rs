//! The example loads; each wrong configuration says exactly what is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod example;
mod right;
mod wrong;
