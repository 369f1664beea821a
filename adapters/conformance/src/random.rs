//! Random choices that can be made again from a printed seed.

use std::hash::{BuildHasher, RandomState};

/// A small generator (`splitmix64`); good enough to choose what to do next.
pub struct Random(u64);

impl Random {
    /// From `DROPBRIDGE_TEST_SEED` where it is set, from chance otherwise; says which.
    pub fn announced(test: &str) -> Self {
        let seed = match std::env::var("DROPBRIDGE_TEST_SEED") {
            Ok(text) => text.parse().expect("DROPBRIDGE_TEST_SEED is a number"),
            Err(_) => RandomState::new().hash_one(test),
        };
        println!("{test}: DROPBRIDGE_TEST_SEED={seed}");
        Self(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}
