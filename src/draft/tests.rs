//! Drafts of made-up samples.
