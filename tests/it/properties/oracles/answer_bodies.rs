//! Whether an answer's body is what it says it is, and whether it repeats the credential.

use clickbank_gateway::domain::answer::{Bare, End, MAX_NESTING, Media, judge};
use clickbank_gateway::domain::secret::CredentialSecret;
use serde_json::Value;

const RANDOM: &str = "7K3PLANTEDQ9X2CLICKBANKKEY8W";

pub(crate) fn check(bytes: &[u8]) {
    for media in [Media::Json, Media::Xml, Media::Text] {
        for bare in [Bare::Count, Bare::Name] {
            let [told, closed] = [End::Told, End::Closed].map(|end| judge(media, end, bare, bytes).is_ok());
            assert!(told || !closed, "whole although its end is in doubt, and not where it is told: {media:?}");
            assert!(!told || std::str::from_utf8(bytes).is_ok(), "{media:?} that is not in UTF-8");
            if closed {
                let cut = bytes.trim_ascii_end().split_last().map_or(&[][..], |(_, cut)| cut);
                let whole = !cut.is_empty() && judge(media, End::Closed, bare, cut).is_ok();
                assert!(!whole, "{media:?} that is whole, and whole without its last byte");
            }
        }
    }
    if judge(Media::Json, End::Closed, Bare::Count, bytes).is_ok() {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => assert!(depth(&value) <= MAX_NESTING, "nested too deep"),
            // RFC 8259 §6 knows no largest number, only programs do.
            Err(error) => assert!(error.to_string().starts_with("number out of range"), "no JSON: {error}"),
        }
    }
    repeats(bytes);
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(values) => 1 + values.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// A key that stands somewhere as it is, or in lower case, is found whatever stands around it.
fn repeats(bytes: &[u8]) {
    let secret = CredentialSecret::parse(&format!("API-{RANDOM}"), None).expect("a key");
    let plain = bytes.to_ascii_uppercase().windows(RANDOM.len()).any(|window| window == RANDOM.as_bytes());
    assert!(!plain || secret.shows_in(bytes), "a key that stands there was not found");
    for (before, after) in [bytes.split_at(bytes.len() / 2), (bytes, &[])] {
        for planted in [RANDOM.to_owned(), RANDOM.to_ascii_lowercase()] {
            let text = [before, planted.as_bytes(), after].concat();
            assert!(secret.shows_in(&text), "a key between other bytes was not found");
        }
    }
}
