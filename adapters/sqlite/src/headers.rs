//! Headers as one BLOB: name and value in turn, each behind its length as 32 bits, little-endian.

/// Appends headers in their stored form.
pub(crate) fn encode(headers: &[(&str, &[u8])], out: &mut Vec<u8>) {
    for (name, value) in headers {
        for part in [name.as_bytes(), value] {
            // The size of a record is checked before: its parts are far below 4 GiB.
            out.extend_from_slice(&(part.len() as u32).to_le_bytes());
            out.extend_from_slice(part);
        }
    }
}

/// Reads the stored form, or `None` where it is broken.
pub(crate) fn decode(mut stored: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut headers = Vec::new();
    while !stored.is_empty() {
        let name = std::str::from_utf8(take(&mut stored)?).ok()?.to_owned();
        headers.push((name, take(&mut stored)?.to_vec()));
    }
    Some(headers)
}

fn take<'a>(stored: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = stored.split_first_chunk::<4>()?;
    let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *stored = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn what_was_encoded_is_decoded_and_what_is_cut_short_is_refused() {
        let mut stored = Vec::new();
        encode(&[("content-type", b"text/plain"), ("", b""), ("content-type", &[0, 255])], &mut stored);
        let headers = [("content-type", &b"text/plain"[..]), ("", b""), ("content-type", &[0, 255])];
        let expected: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        assert_eq!(decode(&stored), Some(expected));
        assert_eq!(decode(&stored[..stored.len() - 1]), None);
        assert_eq!(decode(&stored[..3]), None);
    }
}
