//! Texts of layouts: whatever stands in one, it is a layout or every problem is told, and the layout can be used.

#![no_main]

use libfuzzer_sys::fuzz_target;

const FILES: [&[u8]; 3] =
    [b"H|20260131\nB|1|roof|2.50\nT|1|2.50\n", b"id,name\r\n1,\"a\"\r\n", b"H260131B0001roof      "];

fuzz_target!(|text: &str| {
    // A field may be as wide as memory is large: that is no fault.
    let large = text.split(|character: char| !character.is_ascii_digit() && character != '_').any(|run| run.len() > 6);
    // Neither are numbers in other notations.
    if large || text.contains("0x") || text.contains("0b") || text.contains("0o") {
        return;
    }
    match dropbridge_fuzz::config::layout_from_text("fuzz.toml", text) {
        Ok(layout) => FILES.iter().for_each(|file| dropbridge_fuzz::check(&layout, file)),
        Err(problems) => assert!(!problems.as_slice().is_empty()),
    }
});
