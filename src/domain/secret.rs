//! Secrets, as types that cannot be printed, compared in variable time, or left in memory when dropped.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{constant_time, digest};
use bytes::Bytes;
use http::HeaderValue;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use super::echo::Traces;

/// The `Authorization` value that makes ClickBank obey: a real API key, alone or behind a legacy developer key.
///
/// It is built once, at load. Requests share that one buffer, which is wiped when the last of them lets go of it. Only
/// `stage::inject` takes the value out (a test holds that line).
#[derive(Clone)]
pub struct CredentialSecret {
    value: HeaderValue,
    traces: Arc<Traces>,
}

/// What ClickBank publishes for programs that insist on a developer key. It is no secret.
/// (<https://support.clickbank.com/hc/en-us/articles/18374965140884-August-17-2023-ClickBank-Integrations-No-Longer-Require-Developer-Keys>)
const PUBLIC_DEVELOPER_KEY: &str = "DEV-123456789012345678901234567890123456";

/// Why a text is not a ClickBank key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CredentialSecretError {
    /// Nothing but white space.
    #[error("it is empty")]
    Empty,
    /// It has our own prefix.
    #[error(
        "it is a key of this gateway, not a ClickBank key; ClickBank's API Management page shows the one to put here"
    )]
    OurKey,
    /// Another prefix, other characters, or far too short.
    #[error("it is not `{0}` followed by 8 to 128 letters and digits (one line break at the end is allowed)")]
    Shape(&'static str),
}

impl CredentialSecret {
    /// Reads an API key (`API-…`) and, for integrations of before August 2023, a developer key (`DEV-…`).
    ///
    /// Keys are opaque: ClickBank has used several lengths, so only the prefix and the alphabet are checked. One line
    /// break at the end of each text, as editors leave it in files, is not part of the key.
    ///
    /// # Errors
    /// When a text cannot be such a key. The error never repeats the text.
    pub fn parse(api_key: &str, developer_key: Option<&str>) -> Result<Self, CredentialSecretError> {
        let api_key = Self::check(api_key, "API-")?;
        let developer_key = developer_key.map(|developer_key| Self::check(developer_key, "DEV-")).transpose()?;
        let mut value = Zeroizing::new(Vec::with_capacity(api_key.len() + 160));
        if let Some(developer_key) = developer_key {
            value.extend_from_slice(developer_key.as_bytes());
            value.push(b':');
        }
        value.extend_from_slice(api_key.as_bytes());
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(value))
            .map_err(|_| CredentialSecretError::Shape("API-"))?;
        value.set_sensitive(true);
        let secret = developer_key.filter(|developer_key| *developer_key != PUBLIC_DEVELOPER_KEY);
        let secrets = [Some(api_key), secret].into_iter().flatten();
        // Everybody knows the prefixes, so a key without its own is as good as the whole.
        let secrets: Vec<&str> = secrets.filter_map(|key| key.split_once('-')).map(|(_, random)| random).collect();
        Ok(Self { value, traces: Arc::new(Traces::of(&secrets)) })
    }

    /// Whether both are the same key.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.value == other.value
    }

    fn check<'a>(text: &'a str, prefix: &'static str) -> Result<&'a str, CredentialSecretError> {
        let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
        if text.trim().is_empty() {
            return Err(CredentialSecretError::Empty);
        }
        if text.contains(KEY_PREFIX) {
            return Err(CredentialSecretError::OurKey);
        }
        text.strip_prefix(prefix)
            .filter(|rest| (8..=128).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            .map(|_| text)
            .ok_or(CredentialSecretError::Shape(prefix))
    }

    /// The header value. For `stage::inject` alone.
    #[must_use]
    pub fn expose_to_upstream(&self) -> HeaderValue {
        self.value.clone()
    }

    /// Whether a text repeats the API key or the developer key: as it is, in any case, escaped as URLs, JSON, XML and
    /// HTML do it (up to three times over), in base64 or hexadecimal, with or without white space between. What
    /// ClickBank publishes as a developer key for everybody does not count.
    #[must_use]
    pub fn shows_in(&self, text: &[u8]) -> bool {
        self.traces.show_in(text)
    }
}

impl fmt::Debug for CredentialSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialSecret(***)")
    }
}

/// What every key of ours begins with, so that secret scanners find a leaked one.
pub const KEY_PREFIX: &str = "cbgw_";

/// SHA-256 of a whole key text. Keys have more than 160 random bits, so no salt or stretching is needed to keep a digest
/// from being turned back into its key.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; Self::LENGTH]);

impl KeyDigest {
    /// Bytes in a digest.
    pub const LENGTH: usize = 32;
    const TAG: &str = "sha256:";

    /// Digests what a caller presented, or what was just issued. Equal work for any text of equal length.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        let mut bytes = [0; Self::LENGTH];
        for (byte, digested) in bytes.iter_mut().zip(digest::digest(&digest::SHA256, key).as_ref()) {
            *byte = *digested;
        }
        Self(bytes)
    }

    /// Reads `sha256:` and 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(Self::TAG)?;
        if digits.len() != 2 * Self::LENGTH {
            return None;
        }
        let mut bytes = [0; Self::LENGTH];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = (hexadecimal(*high)? << 4) | hexadecimal(*low)?;
        }
        Some(Self(bytes))
    }

    /// The bytes, to tell two apart where time is of no concern.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The bytes as two numbers, to sort digests by.
    #[must_use]
    pub fn halves(&self) -> [u128; 2] {
        let half = |bytes: Option<&[u8; 16]>| bytes.map_or(0, |bytes| u128::from_be_bytes(*bytes));
        [half(self.0.first_chunk()), half(self.0.last_chunk())]
    }

    /// Whether this one comes before another when sorted. Equal work for any two, unlike the comparison of arrays.
    #[must_use]
    #[expect(clippy::needless_bitwise_bool, reason = "a lazy operator would do less for some")]
    pub fn precedes(&self, other: &Self) -> bool {
        let ([high, low], [other_high, other_low]) = (self.halves(), other.halves());
        (high < other_high) | ((high == other_high) & (low < other_low))
    }
}

fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for KeyDigest {
    /// `sha256:` and hexadecimal digits, as `keys.toml` holds it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::TAG)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(***)")
    }
}

impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for KeyDigest {}

/// A key just issued, to be shown once and forgotten.
pub struct IssuedKey(Zeroizing<String>);

impl IssuedKey {
    /// Takes over a key text.
    #[must_use]
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the one place where it is shown.
    #[must_use]
    pub fn expose_once(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for IssuedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuedKey(***)")
    }
}

/// A secret text on its way from a file or the environment into its own type; wiped when dropped.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes over bytes read from outside. `None` when they are not UTF-8; they are wiped either way.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        match String::from_utf8(bytes) {
            Ok(text) => Some(Self(Zeroizing::new(text))),
            Err(error) => {
                error.into_bytes().zeroize();
                None
            }
        }
    }

    /// The text, for the parser of the type it is meant for.
    #[must_use]
    pub fn expose_to_parser(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(***)")
    }
}

/// How API keys begin: ours, and ClickBank's two kinds.
const API_KEY_PREFIXES: [&str; 3] = [KEY_PREFIX, "API-", "DEV-"];

/// How secrets begin: API keys, and private keys in PEM form.
const SECRET_PREFIXES: [&str; 4] = [KEY_PREFIX, "API-", "DEV-", "-----BEGIN "];

/// The fewest letters and digits after a prefix that make a secret of it.
const SECRET_LENGTH: usize = 8;

/// Whether some key stands in a text, ours or ClickBank's, so that the text must not be repeated. People put keys where
/// the name of a key, of a file or of a variable belongs.
#[must_use]
pub fn has_secret(text: &str) -> bool {
    may_have_secret(text) && secrets(text, &SECRET_PREFIXES).next().is_some()
}

/// The text without the keys that stand in it: what follows their prefix is replaced.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    masked(text, &SECRET_PREFIXES)
}

/// The text without the API keys in it, ours and ClickBank's, for texts that may say how a private key begins.
#[must_use]
pub fn without_api_keys(text: &str) -> String {
    masked(text, &API_KEY_PREFIXES)
}

/// Whether a text has the last two characters of a prefix anywhere, or two dashes. Of a hundred thousand names, few do.
fn may_have_secret(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > SECRET_LENGTH && bytes.windows(2).any(|pair| matches!(pair, b"w_" | b"I-" | b"V-" | b"--"))
}

fn masked(text: &str, prefixes: &[&str]) -> String {
    if !may_have_secret(text) {
        return text.to_owned();
    }
    let mut found: Vec<FoundSecret> = secrets(text, prefixes).collect();
    found.sort_unstable_by_key(|secret| secret.at);
    let mut shown = String::with_capacity(text.len());
    let mut end = 0;
    for secret in found {
        if secret.at < end {
            // It begins with the last characters of the one before, as where two were pasted together.
            end = end.max(secret.end);
            continue;
        }
        shown.push_str(text.get(end..secret.start).unwrap_or_default());
        shown.push_str("***");
        end = secret.end;
    }
    shown.push_str(text.get(end..).unwrap_or_default());
    shown
}

/// Where a secret begins, where it begins after its prefix, and where it ends.
struct FoundSecret {
    at: usize,
    start: usize,
    end: usize,
}

/// The secrets in a text, by their prefixes.
fn secrets(text: &str, prefixes: &[&str]) -> impl Iterator<Item = FoundSecret> {
    prefixes.iter().flat_map(move |prefix| {
        text.match_indices(prefix).filter_map(move |(at, prefix)| {
            let start = at + prefix.len();
            let rest = text.get(start..)?;
            // A private key ends with its text; the others end with their letters and digits.
            let pem = prefix.starts_with('-');
            let end = if pem { None } else { rest.find(|character: char| !character.is_ascii_alphanumeric()) };
            let length = end.unwrap_or(rest.len());
            (length >= SECRET_LENGTH).then_some(FoundSecret { at, start, end: start + length })
        })
    })
}

/// What the admin listener's clients have to present over TCP. Only its digest is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(KeyDigest);

impl AdminToken {
    /// The fewest characters of a token.
    pub const MIN_LENGTH: usize = 24;

    /// Takes over a token. `None` when it is shorter than [`AdminToken::MIN_LENGTH`], or has characters that no header
    /// can hold.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fit = text.len() >= Self::MIN_LENGTH && text.bytes().all(|byte| byte.is_ascii_graphic());
        fit.then(|| Self(KeyDigest::of(text.as_bytes())))
    }

    /// Whether this is the token.
    #[must_use]
    pub fn is(&self, presented: &[u8]) -> bool {
        KeyDigest::of(presented) == self.0
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: &str = "API-0123456789ABCDEFGHIJ";

    #[test]
    fn both_forms_of_a_clickbank_key_are_understood() {
        for (api, developer, value) in [
            (API, None, API.to_owned()),
            ("API-0123456789ABCDEFGHIJ\n", None, API.to_owned()),
            ("API-0123456789ABCDEFGHIJ\r\n", Some("DEV-12345678\n"), format!("DEV-12345678:{API}")),
        ] {
            let secret = CredentialSecret::parse(api, developer).unwrap();
            assert_eq!(secret.expose_to_upstream(), value.as_str());
            assert!(secret.expose_to_upstream().is_sensitive());
        }
    }

    #[test]
    fn what_is_no_clickbank_key_is_refused_without_repeating_it() {
        for (api, developer) in [
            ("", None),
            ("\n", None),
            ("API-", None),
            ("API-1234567", None),
            ("api-0123456789ABCDEFGHIJ", None),
            ("API-0123456789ABCDEFGHIJ\n\n", None),
            (" API-0123456789ABCDEFGHIJ", None),
            ("API-0123456789 BCDEFGHIJ", None),
            ("cbgw_0123456789", None),
            (API, Some("")),
            (API, Some(API)),
        ] {
            let error = CredentialSecret::parse(api, developer).unwrap_err().to_string();
            assert!(!error.contains("0123456789"), "{error}");
        }
    }

    #[test]
    fn secrets_show_nothing_when_debugged() {
        let shown = format!(
            "{:?} {:?} {:?} {:?}",
            CredentialSecret::parse(API, None).unwrap(),
            KeyDigest::of(b"cbgw_x"),
            IssuedKey::new("cbgw_x".into()),
            SecretText::from_bytes(b"API-x".to_vec()).unwrap(),
        );
        assert_eq!(shown, "CredentialSecret(***) KeyDigest(***) IssuedKey(***) SecretText(***)");
    }

    /// What stands at an address of this process now.
    #[cfg(target_os = "linux")]
    fn memory(address: usize, length: usize) -> Vec<u8> {
        use std::os::unix::fs::FileExt as _;
        let mut bytes = vec![0; length];
        let memory = std::fs::File::open("/proc/self/mem").unwrap();
        memory.read_exact_at(&mut bytes, address.try_into().unwrap()).unwrap();
        bytes
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn secrets_are_wiped_when_they_are_dropped() {
        // Drops what it is given, and looks for the end of the secret: an allocator writes over its beginning.
        fn left<T>(secret: T, address: usize, length: usize) -> (Vec<u8>, Vec<u8>) {
            let before = memory(address, length);
            drop(secret);
            (before, memory(address, length))
        }
        let text = format!("API-{}", "0123456789ABCDEF".repeat(4));
        let end = &text.as_bytes()[32..];
        let at = |bytes: &[u8]| bytes.as_ptr() as usize + 32;

        let credential = CredentialSecret::parse(&text, None).unwrap();
        let shared = credential.expose_to_upstream();
        let address = at(shared.as_bytes());
        drop(credential);
        let (before, after) = left(shared, address, end.len());
        assert!(before == end && after != end, "a credential, shared with a request");

        let issued = IssuedKey::new(text.clone());
        let address = at(issued.expose_once().as_bytes());
        let (before, after) = left(issued, address, end.len());
        assert!(before == end && after != end, "a key just issued");

        let read = SecretText::from_bytes(text.clone().into_bytes()).unwrap();
        let address = at(read.expose_to_parser().as_bytes());
        let (before, after) = left(read, address, end.len());
        assert!(before == end && after != end, "a secret text");

        // What is not wiped would be found, at least with this allocator.
        if cfg!(target_env = "gnu") {
            let plain = text.clone();
            let address = at(plain.as_bytes());
            assert_eq!(left(plain, address, end.len()).1, end);
        }
    }

    #[test]
    fn no_prefix_escapes_the_quick_look() {
        for prefix in SECRET_PREFIXES.iter().chain(&API_KEY_PREFIXES) {
            assert!(has_secret(&format!("{prefix}01234567")), "{prefix}");
        }
    }

    #[test]
    fn a_secret_is_found_wherever_it_stands_and_plain_words_are_left_alone() {
        for (text, shown) in [
            ("cbgw_0123456789", "cbgw_***"),
            ("API-ABCDEFGH", "API-***"),
            ("DEV-ABCDEFGH:API-ABCDEFGH", "DEV-***:API-***"),
            ("/run/API-ABCDEFGH/x", "/run/API-***/x"),
            ("-----BEGIN PRIVATE KEY-----\nabc", "-----BEGIN ***"),
            ("cbgw_API-ABCDEFGH", "cbgw_API-***"),
            ("API-ABCDEFGHcbgw_0123456789.", "API-***."),
            ("DEV-ABCDEFGHAPI-ABCDEFGHcbgw_0123456789", "DEV-***"),
        ] {
            assert_eq!(without_secrets(text), shown);
            assert!(has_secret(text), "{text}");
        }
        for text in ["", "API-", "API-key", "/run/secrets/clickbank", "cbgw_", "\u{e9}API-\u{e9}"] {
            assert_eq!(without_secrets(text), text);
            assert!(!has_secret(text), "{text}");
        }
    }

    #[test]
    fn a_digest_reads_back_from_its_text_and_from_no_other_spelling() {
        let digest = KeyDigest::of(b"abc");
        let text = digest.to_string();
        assert_eq!(text, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(KeyDigest::parse(&text) == Some(digest));
        for wrong in [&text[7..], &text[..70], &text.to_uppercase(), &format!("{text}0"), &text.replace("ba", "g0")] {
            assert!(KeyDigest::parse(wrong).is_none(), "{wrong}");
        }
    }
}
