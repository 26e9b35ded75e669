//! Makes new keys, and tells mistyped ones.
//!
//! A key reads `cbgw_`, 30 random characters of 62 (more than 178 bits), and 6 characters of checksum. The prefix lets
//! secret scanners find a leaked key; the checksum lets the command line tell a mistyped one without asking anybody.

use aws_lc_rs::{digest, rand};

use crate::domain::secret::{IssuedKey, KEY_PREFIX};

const RANDOM_LENGTH: usize = 30;
const CHECKSUM_LENGTH: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the operating system gave no random bytes; nothing was changed")]
pub struct NoRandomness;

/// Makes a key.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn new_key() -> Result<IssuedKey, NoRandomness> {
    let mut text = String::with_capacity(KEY_PREFIX.len() + RANDOM_LENGTH + CHECKSUM_LENGTH);
    text.push_str(KEY_PREFIX);
    push_random(&mut text, RANDOM_LENGTH, ALPHABET)?;
    text.extend(checksum(&text));
    Ok(IssuedKey::new(text))
}

/// Makes an id for a key: `key_` and 20 lower-case letters and digits (more than 100 bits), so that none comes twice.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn new_id() -> Result<String, NoRandomness> {
    let mut text = String::from("key_");
    let lower = ALPHABET.get(..10).into_iter().chain(ALPHABET.get(36..)).flatten().copied().collect::<Vec<u8>>();
    push_random(&mut text, 20, &lower)?;
    Ok(text)
}

/// Appends `length` characters of `alphabet`, each equally likely.
fn push_random(text: &mut String, length: usize, alphabet: &[u8]) -> Result<(), NoRandomness> {
    let wanted = text.len() + length;
    while text.len() < wanted {
        let mut bytes = [0_u8; 64];
        rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
        // Bytes past the last whole multiple would favour the first characters.
        let fair = 256 / alphabet.len() * alphabet.len();
        let fair = bytes.into_iter().map(usize::from).filter(|byte| *byte < fair);
        let characters = fair.filter_map(|byte| alphabet.get(byte % alphabet.len()));
        text.extend(characters.map(|character| char::from(*character)).take(wanted - text.len()));
    }
    Ok(())
}

fn checksum(text: &str) -> impl Iterator<Item = char> + use<> {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut rest = digest.as_ref().iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    let base = ALPHABET.len() as u64;
    (0..CHECKSUM_LENGTH).filter_map(move |_| {
        let digit = usize::try_from(rest % base).ok()?;
        rest /= base;
        ALPHABET.get(digit).map(|character| char::from(*character))
    })
}

/// Whether `text` has the form and checksum of a key of ours. It may still be nobody's.
#[must_use]
pub fn is_well_formed(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(KEY_PREFIX) else { return false };
    if rest.len() != RANDOM_LENGTH + CHECKSUM_LENGTH || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return false;
    }
    let (body, sum) = text.split_at(KEY_PREFIX.len() + RANDOM_LENGTH);
    checksum(body).eq(sum.chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_issued_key_is_well_formed_and_none_comes_twice() {
        let keys: std::collections::HashSet<String> =
            (0..1_000).map(|_| new_key().unwrap().expose_once().to_owned()).collect();
        assert_eq!(keys.len(), 1_000);
        assert!(keys.iter().all(|key| is_well_formed(key)));
        assert!(keys.iter().all(|key| key.len() == 41 && key.starts_with("cbgw_")));
    }

    #[test]
    fn every_one_character_slip_is_told() {
        let key = new_key().unwrap();
        let key = key.expose_once();
        for position in 0..key.len() {
            let (head, tail) = key.split_at(position);
            assert!(!is_well_formed(&format!("{head}{}", &tail[1..])), "a character left out at {position}");
            assert!(!is_well_formed(&format!("{head}x{tail}")), "a character too many at {position}");
            let other = if tail.starts_with('x') { 'y' } else { 'x' };
            assert!(!is_well_formed(&format!("{head}{other}{}", &tail[1..])), "a wrong character at {position}");
        }
    }

    #[test]
    fn ids_are_lower_case_and_differ() {
        let (one, other) = (new_id().unwrap(), new_id().unwrap());
        assert_ne!(one, other);
        assert!(one.len() == 24 && one[4..].bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    }
}
