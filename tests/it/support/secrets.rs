//! Planted secrets, and the search for them in every spelling that a leak could have.

use std::fmt::Write as _;

use memchr::memmem;

/// What must not show anywhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(Vec<Planted>);

#[derive(Clone, Debug)]
struct Planted {
    name: String,
    /// In lower case, because the search is blind to case.
    spellings: Vec<Vec<u8>>,
}

impl Secrets {
    /// Plants a secret. `shown` is as much of its beginning as already tells too much: its prefix is known to everybody.
    pub(crate) fn plant(&mut self, name: &str, secret: &str, shown: usize) {
        let bytes = secret.as_bytes();
        let mut spellings = vec![secret.to_owned(), secret[..shown.min(secret.len())].to_owned()];
        spellings.push(hex(bytes));
        spellings.push(bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "%{byte:02x}").unwrap();
            text
        }));
        spellings.push(percent(secret));
        for offset in 0..3 {
            spellings.push(base64_inside(bytes, offset));
        }
        let spellings = spellings.into_iter().map(|spelling| spelling.to_ascii_lowercase().into_bytes()).collect();
        self.0.push(Planted { name: name.to_owned(), spellings });
    }

    /// Fails if one of them shows.
    pub(crate) fn sweep(&self, place: &str, bytes: &[u8]) {
        let haystack = bytes.to_ascii_lowercase();
        for planted in &self.0 {
            for spelling in &planted.spellings {
                let found = memmem::find(&haystack, spelling).is_some();
                assert!(!found, "{} shows in {place}: {}", planted.name, String::from_utf8_lossy(bytes));
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Percent-encoded where it is not a letter or digit.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        encoded
    })
}

/// What every base64 text has in common that encodes something with `bytes` in it, after `offset` other bytes (modulo 3).
fn base64_inside(bytes: &[u8], offset: usize) -> String {
    let padded: Vec<u8> = std::iter::repeat_n(0, offset).chain(bytes.iter().copied()).collect();
    let encoded = base64(&padded);
    // The first characters hold bits of what stands before, the last group bits of what follows.
    let first = [0, 2, 3][offset];
    encoded[first..padded.len() / 3 * 4].to_owned()
}

/// Base64 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, place| bits << 8 | usize::from(*group.get(place).unwrap_or(&0)));
        for place in 0..4 {
            let digit = ALPHABET[bits >> (18 - 6 * place) & 63];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[test]
fn a_planted_secret_is_found_in_every_spelling() {
    let mut secrets = Secrets::default();
    secrets.plant("the key", "API-0123456789ABCDEF", 12);
    for leak in [
        "key API-0123456789ABCDEF.",
        "api-0123456789abcdef",
        "API-01234567…",
        "4150492d30313233343536373839414243444546",
        "%41%50%49%2D%30%31%32%33%34%35%36%37%38%39%41%42%43%44%45%46",
        "API%2D0123456789ABCDEF",
        &base64(b"API-0123456789ABCDEF"),
        &base64(b"x:API-0123456789ABCDEF"),
        &base64(b"xy:API-0123456789ABCDEF and more"),
        &base64(b"x API-0123456789ABCDEF and more"),
    ] {
        let found = std::panic::catch_unwind(|| secrets.sweep("a test", leak.as_bytes()));
        assert!(found.is_err(), "{leak}");
    }
    secrets.sweep("a test", b"API-0123 is the beginning of some key");
}
