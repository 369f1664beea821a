//! Files of fixed-width layouts: the first byte chooses the layout, the rest is the file.

#![no_main]

use std::sync::{Arc, LazyLock};

use dropbridge_fuzz::layout::Layout;
use libfuzzer_sys::fuzz_target;

static LAYOUTS: LazyLock<Vec<Arc<Layout>>> = LazyLock::new(|| {
    dropbridge_fuzz::layouts(&[
        include_str!("../layouts/fixed_width/batch.toml"),
        include_str!("../layouts/fixed_width/mainframe.toml"),
        include_str!("../layouts/fixed_width/trimmed.toml"),
        include_str!("../layouts/fixed_width/ragged.toml"),
    ])
});

fuzz_target!(|input: &[u8]| dropbridge_fuzz::check_by_choice(&LAYOUTS, input));
