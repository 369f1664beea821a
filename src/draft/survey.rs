//! What can be said of samples before anybody knows how their records are divided: encoding, line ends, and how they
//! end.

use std::collections::BTreeSet;

use super::Sample;
use super::notes::{Notes, counted, number};
use crate::layout::{Encoding, EndPadding, Presence, Terminator};

const MARK_UTF8: &[u8] = b"\xEF\xBB\xBF";

/// All that.
#[derive(Debug)]
pub(super) struct Survey {
    /// How bytes are text.
    pub(super) encoding: Encoding,
    /// Whether samples begin with a byte order mark.
    pub(super) byte_order_mark: Presence,
    /// What follows the last record.
    pub(super) padding: Vec<EndPadding>,
    /// Whether the last record is terminated.
    pub(super) final_terminator: Presence,
    /// What may end a record, likeliest first; nothing where samples have no line breaks.
    pub(super) terminators: Vec<Terminator>,
    /// What the search sees of each sample, as it stands there.
    pub(super) windows: Vec<Vec<u8>>,
    /// The same as the parser sees it (UTF-8 instead of UTF-16), without byte order mark and end padding.
    pub(super) texts: Vec<Vec<u8>>,
}

/// Looks at every sample.
pub(super) fn survey(samples: &[Sample], notes: &mut Notes) -> Survey {
    let wide = wide_encoding(samples);
    let windows: Vec<Vec<u8>> = samples.iter().map(|sample| window(sample, wide)).collect();
    let decoded: Vec<Vec<u8>> = windows.iter().map(|bytes| decoded(bytes, wide)).collect();
    let marked = decoded.iter().filter(|text| text.starts_with(MARK_UTF8)).count();
    let byte_order_mark = presence(marked, samples.len());
    let (texts, padding) = without_ends(&decoded, notes);
    let encoding = wide.unwrap_or_else(|| single_encoding(&texts, marked > 0, notes));
    if wide.is_some() {
        notes.add("encoding", "Every second byte of the ASCII characters is NUL, or the byte order mark says so.");
    }
    if marked > 0 {
        let sentence = format!("{marked} of {} begin with one.", counted(samples.len(), "sample"));
        notes.add("byte_order_mark", sentence);
    }
    let terminators = terminators(&texts, notes);
    let final_terminator = final_terminator(&texts, terminators.is_empty(), notes);
    Survey { encoding, byte_order_mark, padding, final_terminator, terminators, windows, texts }
}

fn presence(with: usize, of: usize) -> Presence {
    match with {
        0 => Presence::Absent,
        _ if with == of => Presence::Required,
        _ => Presence::Optional,
    }
}

/// UTF-16, where a byte order mark says so or ASCII characters are spread over two bytes.
fn wide_encoding(samples: &[Sample]) -> Option<Encoding> {
    let first = samples.iter().find(|sample| !sample.head.is_empty())?;
    let head = &first.head[..first.head.len().min(4096)];
    if head.starts_with(b"\xFF\xFE") {
        return Some(Encoding::Utf16Le);
    }
    if head.starts_with(b"\xFE\xFF") {
        return Some(Encoding::Utf16Be);
    }
    // What follows the last record tells nothing: NULs stand there in any encoding.
    let end = head.iter().rposition(|byte| !matches!(byte, 0 | 0x1A)).map_or(0, |at| (at + 2).min(head.len()));
    let head = &head[..end];
    let nuls = |offset: usize| head.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (nuls(0), nuls(1));
    let half = head.len() / 2;
    if half < 2 || (even + odd) * 3 < half {
        None
    } else if even == 0 && odd * 2 > half {
        Some(Encoding::Utf16Le)
    } else if odd == 0 && even * 2 > half {
        Some(Encoding::Utf16Be)
    } else {
        None
    }
}

/// The two ends of a sample, each cut at a line break: together they look like a smaller sample of the same kind.
fn window(sample: &Sample, wide: Option<Encoding>) -> Vec<u8> {
    let mut bytes = sample.head.clone();
    if sample.is_whole() {
        return bytes;
    }
    let unit = if wide.is_some() { 2 } else { 1 };
    let is_break = |unit: &[u8]| match wide {
        None => unit[0] == b'\n',
        Some(Encoding::Utf16Le) => unit == b"\n\0",
        Some(_) => unit == b"\0\n",
    };
    let Some(last) = bytes.chunks_exact(unit).rposition(is_break) else { return bytes };
    bytes.truncate((last + 1) * unit);
    // A part of the end begins on a whole unit: the sample has an even number of bytes.
    let tail = &sample.tail[sample.tail.len() % unit..];
    if let Some(first) = tail.chunks_exact(unit).position(is_break) {
        bytes.extend_from_slice(&tail[(first + 1) * unit..]);
    }
    bytes
}

fn decoded(bytes: &[u8], wide: Option<Encoding>) -> Vec<u8> {
    let unit: fn([u8; 2]) -> u16 = match wide {
        None => return bytes.to_vec(),
        Some(Encoding::Utf16Le) => u16::from_le_bytes,
        Some(_) => u16::from_be_bytes,
    };
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let text: String =
        char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.into_bytes()
}

/// Samples without byte order mark and without what follows their last records.
fn without_ends(decoded: &[Vec<u8>], notes: &mut Notes) -> (Vec<Vec<u8>>, Vec<EndPadding>) {
    let (mut texts, mut found) = (Vec::new(), Vec::new());
    let mut padded = 0;
    for text in decoded {
        let text = text.strip_prefix(MARK_UTF8).unwrap_or(text);
        let end = text.iter().rposition(|byte| !matches!(byte, 0 | 0x1A)).map_or(0, |at| at + 1);
        let ends = &text[end..];
        for (byte, padding) in [(0x1A, EndPadding::CtrlZ), (0, EndPadding::Nul)] {
            if ends.contains(&byte) && !found.contains(&padding) {
                found.push(padding);
            }
        }
        padded += usize::from(!ends.is_empty());
        texts.push(text[..end].to_vec());
    }
    if padded > 0 {
        let sentence = format!("{padded} of {} have it behind the last record.", counted(decoded.len(), "sample"));
        notes.add("padding_at_end", sentence);
    }
    (texts, found)
}

/// Which encoding samples of single bytes have.
fn single_encoding(texts: &[Vec<u8>], marked: bool, notes: &mut Notes) -> Encoding {
    let high = texts.iter().flatten().filter(|byte| !byte.is_ascii()).count();
    if high == 0 {
        notes.add("encoding", "All bytes are ASCII: any encoding would do, and nothing tells what comes one day.");
        return Encoding::Utf8;
    }
    let (mut sequences, mut broken) = (0, 0);
    for chunk in texts.iter().flat_map(|text| text.utf8_chunks()) {
        sequences += chunk.valid().chars().filter(|character| !character.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    if broken == 0 || marked || sequences > 5 * broken {
        let but = if broken > 0 { format!(", but {broken} places are none") } else { String::new() };
        let sentence = format!("{} characters beyond ASCII are valid UTF-8{but}.", number(sequences as u64));
        notes.add("encoding", sentence);
        return Encoding::Utf8;
    }
    code_page(texts, high, notes)
}

fn code_page(texts: &[Vec<u8>], high: usize, notes: &mut Notes) -> Encoding {
    let used: BTreeSet<u8> = texts.iter().flatten().copied().filter(|byte| !byte.is_ascii()).collect();
    let undefined = used.iter().any(|byte| matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D));
    let controls = used.iter().any(|byte| (0x80..0xA0).contains(byte));
    let (mut dos, mut iso) = (0, 0);
    for text in texts {
        for (at, byte) in text.iter().enumerate().filter(|(_, byte)| !byte.is_ascii()) {
            let letter = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphabetic);
            let beside = usize::from(letter(at.checked_sub(1))) + usize::from(letter(Some(at + 1)));
            match byte {
                // Letters of the code pages of DOS; between blanks they are dashes and quotes of Windows.
                0x80..=0x90 | 0x93..=0xA5 => dos += usize::from(beside == 2),
                0xC0..=0xFF => iso += usize::from(beside > 0),
                _ => {}
            }
        }
    }
    let beginning = format!("{} bytes beyond ASCII, not UTF-8", number(high as u64));
    if undefined || dos > iso {
        let sentence = format!(
            "{beginning}; {dos} within words are letters of the code pages of DOS, {iso} those of ISO 8859-1. \
             Ambiguous: cp437 would fit as well; compare a line with the original."
        );
        notes.add("encoding", sentence);
        return Encoding::Cp850;
    }
    if controls {
        notes.add("encoding", format!("{beginning}; some are in 80-9F, where ISO 8859-1 has no characters."));
        return Encoding::Cp1252;
    }
    let sentence = format!(
        "{beginning}; none is in 80-9F. Ambiguous: cp1252 would fit as well, and takes more (a euro sign, long dashes)."
    );
    notes.add("encoding", sentence);
    Encoding::Latin1
}

/// What may end a record. Line breaks within quotes are counted here too: they can only be told apart later.
fn terminators(texts: &[Vec<u8>], notes: &mut Notes) -> Vec<Terminator> {
    let mut sum = [0; 3];
    let mut majorities = BTreeSet::new();
    for text in texts {
        let found = line_breaks(text);
        let most = (0..3).max_by_key(|index| (found[*index], 3 - *index)).unwrap_or(0);
        if found[most] > 0 {
            majorities.insert(most);
        }
        (0..3).for_each(|index| sum[index] += found[index]);
    }
    let [lf, crlf, cr] = sum.map(|count| number(count as u64));
    notes.add("terminator", format!("Line breaks: {lf} LF, {crlf} CR LF, {cr} CR."));
    const WORDS: [Terminator; 3] = [Terminator::Lf, Terminator::CrLf, Terminator::Cr];
    let kinds = sum.iter().filter(|count| **count > 0).count();
    match majorities.first() {
        None => Vec::new(),
        Some(_) if majorities.len() > 1 => vec![Terminator::Mixed],
        Some(most) if kinds == 1 => vec![WORDS[*most]],
        Some(most) => vec![WORDS[*most], Terminator::Mixed],
    }
}

/// Bare LF, CR LF, bare CR.
fn line_breaks(text: &[u8]) -> [usize; 3] {
    let mut found = [0; 3];
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'\n' if at > 0 && text[at - 1] == b'\r' => found[1] += 1,
            b'\n' => found[0] += 1,
            b'\r' if text.get(at + 1) != Some(&b'\n') => found[2] += 1,
            _ => {}
        }
    }
    found
}

fn final_terminator(texts: &[Vec<u8>], none: bool, notes: &mut Notes) -> Presence {
    if none {
        return Presence::Optional;
    }
    let filled = texts.iter().filter(|text| !text.is_empty()).count();
    let with = texts.iter().filter(|text| text.ends_with(b"\n") || text.ends_with(b"\r")).count();
    notes.add("final_terminator", format!("{with} of {} end with one.", counted(filled, "sample")));
    if with == filled { Presence::Required } else { Presence::Optional }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_are_told_apart() {
        for (text, expected) in [
            ("a\nb\n", [2, 0, 0]),
            ("a\r\nb\r\n", [0, 2, 0]),
            ("a\rb\r", [0, 0, 2]),
            ("a\r\r\nb\n\r", [1, 1, 2]),
            ("", [0; 3]),
        ] {
            assert_eq!(line_breaks(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn the_ends_of_a_large_sample_are_cut_at_line_breaks() {
        let part = |head: &[u8], tail: &[u8]| Sample {
            name: String::new(),
            bytes: 100,
            head: head.to_vec(),
            tail: tail.to_vec(),
        };
        assert_eq!(window(&part(b"a\nb\nhalf", b"half\nc\nd"), None), b"a\nb\nc\nd");
        assert_eq!(window(&part(b"no line break", b"at all"), None), b"no line break");
        let wide = window(&part(b"a\0\n\0b\0", b"x\n\0c\0"), Some(Encoding::Utf16Le));
        assert_eq!(wide, b"a\0\n\0c\0");
        assert_eq!(window(&Sample::whole("", b"a\nhalf"), None), b"a\nhalf");
    }
}
