//! Whether bytes are digits, many at once: files are full of them.

/// Whether all bytes are ASCII digits; an empty slice has no other.
#[inline]
#[must_use]
pub fn are_digits(bytes: &[u8]) -> bool {
    // The last lanes may overlap those before them.
    if let Some(last) = bytes.last_chunk::<8>() {
        bytes.as_chunks::<8>().0.iter().all(|lanes| eight(u64::from_le_bytes(*lanes)))
            && eight(u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        eight(u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32)
    } else {
        bytes.iter().all(u8::is_ascii_digit)
    }
}

/// Whether each of eight bytes is a digit: 0x30 to 0x39 are those with this upper half, before and after six is added.
#[inline]
fn eight(lanes: u64) -> bool {
    const UPPER: u64 = 0xF0F0_F0F0_F0F0_F0F0;
    const THREES: u64 = 0x3030_3030_3030_3030;
    const SIXES: u64 = 0x0606_0606_0606_0606;
    // With the first condition no lane is more than 0x3F, so that none carries into the next.
    lanes & UPPER == THREES && (lanes + SIXES) & UPPER == THREES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_other_byte_is_found_wherever_it_stands() {
        for length in 0..40 {
            let digits: Vec<u8> = (0..length).map(|at: u8| b'0' + at % 10).collect();
            assert!(are_digits(&digits), "{length} digits");
            for at in 0..digits.len() {
                for byte in 0..=255_u8 {
                    let mut other = digits.clone();
                    other[at] = byte;
                    assert_eq!(are_digits(&other), byte.is_ascii_digit(), "{byte} at {at} of {length}");
                }
            }
        }
    }
}
