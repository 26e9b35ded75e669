//! Inputs that are almost right: what the corpus becomes by a few slips and tricks, with the pieces of the dictionary
//! that the fuzz targets use, too.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;

/// One change. Places are taken modulo what is there.
#[derive(Clone, Debug)]
enum Edit {
    Insert(Index, Vec<u8>),
    Replace(Index, usize, Vec<u8>),
    Duplicate(Index, usize, Index),
    Splice(Index, Vec<u8>, Index),
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let end = |start: usize, length: usize, bytes: &[u8]| (start + length).min(bytes.len());
        match self {
            Self::Insert(at, piece) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, piece.iter().copied());
            }
            Self::Replace(at, length, piece) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..end(at, *length, bytes), piece.iter().copied());
            }
            Self::Duplicate(from, length, to) => {
                let from = from.index(bytes.len() + 1);
                let piece = bytes[from..end(from, *length, bytes)].to_vec();
                let to = to.index(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            Self::Splice(at, other, from) => {
                bytes.truncate(at.index(bytes.len() + 1));
                bytes.extend(&other[from.index(other.len() + 1)..]);
            }
        }
    }
}

/// Some seed, with up to five changes; as `Bytes`, since they are shown as text.
pub(super) fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Bytes> {
    let seed = prop::sample::select(seeds);
    let byte = any::<u8>().prop_map(|byte| vec![byte]);
    let piece = prop_oneof![3 => prop::sample::select(dictionary()), 1 => byte];
    let (at, length) = (any::<Index>(), 0..24_usize);
    let edit = prop_oneof![
        3 => (at.clone(), piece.clone()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        3 => (at.clone(), length.clone(), piece).prop_map(|(at, length, piece)| Edit::Replace(at, length, piece)),
        1 => (at.clone(), length.clone()).prop_map(|(at, length)| Edit::Replace(at, length, Vec::new())),
        2 => (at.clone(), length, at.clone()).prop_map(|(from, length, to)| Edit::Duplicate(from, length, to)),
        1 => (at.clone(), seed.clone(), at).prop_map(|(at, other, from)| Edit::Splice(at, other, from)),
    ];
    (seed, prop::collection::vec(edit, 0..=5)).prop_map(|(mut bytes, edits)| {
        for edit in edits {
            edit.apply(&mut bytes);
        }
        bytes.into()
    })
}

/// The pieces of `fuzz/nasty.dict`: on each line one in double quotes, in which `\xAB` is a byte.
fn dictionary() -> Vec<Vec<u8>> {
    let lines =
        include_str!("../../../fuzz/nasty.dict").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| unescaped(line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).expect(line))).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = match (first, others) {
            (b'\\', [b'x', high, low, others @ ..]) => {
                bytes.push(u8::from_str_radix(&format!("{}{}", char::from(*high), char::from(*low)), 16).unwrap());
                others
            }
            (b'\\', [escaped, others @ ..]) => {
                bytes.push(*escaped);
                others
            }
            _ => {
                bytes.push(*first);
                others
            }
        };
    }
    bytes
}

#[test]
fn the_dictionary_is_read_as_libfuzzer_reads_it() {
    assert_eq!(unescaped(r#"a\x0d\x0A\"\\b"#), b"a\r\n\"\\b");
    assert!(dictionary().contains(&b"\r\n\r\n".to_vec()));
}
