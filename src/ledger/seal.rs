//! How records are named and sealed, so that the file tells nothing to who has it.
//!
//! Everything hangs on a secret of 32 random bytes beside the file. A record's name is an HMAC of caller and idempotency
//! key: a plain digest of an order number could be guessed. What a record holds is sealed under a key of its own, made of
//! the secret and of the idempotency key, which is kept nowhere: who steals both files still has to guess that.

use std::fmt;

use aws_lc_rs::aead::{self, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::{error::Unspecified, hkdf, hmac, rand};
use zeroize::Zeroizing;

use super::key::IdempotencyKey;
use super::record::{Attempt, RecordName, State};
use super::traces::{Mark, Thing};

const DOMAIN: &[u8] = b"clickbank-gateway ledger 1";

/// The secret of one ledger.
pub(super) struct StoreSecret {
    bytes: Zeroizing<[u8; Self::LENGTH]>,
    naming: hmac::Key,
    tracing: hmac::Key,
}

impl StoreSecret {
    pub(super) const LENGTH: usize = 32;

    pub(super) fn generate() -> Result<Self, Unspecified> {
        let mut bytes = Zeroizing::new([0; Self::LENGTH]);
        rand::fill(bytes.as_mut())?;
        Self::new(bytes)
    }

    pub(super) fn new(bytes: Zeroizing<[u8; Self::LENGTH]>) -> Result<Self, Unspecified> {
        let naming = derive(bytes.as_ref(), &[b"name"])?;
        let tracing = derive(bytes.as_ref(), &[b"trace"])?;
        let key = |bytes: &[u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
        Ok(Self { naming: key(&naming), tracing: key(&tracing), bytes })
    }

    /// For the file that it is kept in.
    pub(super) fn expose_to_file(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// By what a ledger knows that this is its secret.
    pub(super) fn check(&self) -> Result<[u8; 32], Unspecified> {
        derive(self.bytes.as_ref(), &[b"check"]).map(|check| *check)
    }

    pub(super) fn name(&self, caller_id: &str, key: &IdempotencyKey) -> RecordName {
        RecordName(signed(&self.naming, &[caller_id.as_bytes(), key.bytes()]))
    }

    /// What the thing is called that these words name.
    pub(super) fn thing(&self, words: &[&str]) -> [u8; Thing::LENGTH] {
        signed(&self.tracing, &words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>())
    }

    /// What something with this id that belongs to a thing is called. The first word of no thing is `mark`.
    pub(super) fn mark(&self, thing: Thing, id: &str) -> [u8; Mark::LENGTH] {
        signed(&self.tracing, &[b"mark", &thing.0, id.as_bytes()])
    }

    pub(super) fn sealing(&self, name: RecordName, key: &IdempotencyKey) -> Result<Sealing, Unspecified> {
        // The secret's length is fixed, so no other pair is the same text.
        let mut secret = Zeroizing::new(Vec::with_capacity(Self::LENGTH + key.bytes().len()));
        secret.extend_from_slice(self.bytes.as_ref());
        secret.extend_from_slice(key.bytes());
        let bytes = derive(&secret, &[b"record", &name.0])?;
        Ok(Sealing { key: RandomizedNonceKey::new(&aead::AES_256_GCM, bytes.as_ref())?, name })
    }
}

impl fmt::Debug for StoreSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreSecret(***)")
    }
}

struct ThirtyTwo;

impl hkdf::KeyType for ThirtyTwo {
    fn len(&self) -> usize {
        32
    }
}

/// As much of the parts' signature as is wanted.
fn signed<const LENGTH: usize>(key: &hmac::Key, parts: &[&[u8]]) -> [u8; LENGTH] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut name = [0; LENGTH];
    for (byte, signed) in name.iter_mut().zip(context.sign().as_ref()) {
        *byte = *signed;
    }
    name
}

/// HKDF with SHA-256 (RFC 5869).
fn derive(secret: &[u8], purpose: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, Unspecified> {
    let mut bytes = Zeroizing::new([0; 32]);
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, DOMAIN).extract(secret);
    key.expand(purpose, ThirtyTwo)?.fill(bytes.as_mut())?;
    Ok(bytes)
}

/// Seals and opens what one record holds.
pub(super) struct Sealing {
    key: RandomizedNonceKey,
    name: RecordName,
}

impl Sealing {
    /// Bytes that sealing adds.
    const NONCE: usize = aead::NONCE_LEN;

    pub(super) const fn name(&self) -> RecordName {
        self.name
    }

    /// Seals a text for a record in this state, and no other.
    pub(super) fn seal(&self, state: State, attempt: Attempt, mut text: Vec<u8>) -> Result<Vec<u8>, Unspecified> {
        let nonce = self.key.seal_in_place_append_tag(self.about(state, attempt), &mut text)?;
        text.extend_from_slice(nonce.as_ref());
        Ok(text)
    }

    pub(super) fn open(&self, state: State, attempt: Attempt, mut sealed: Vec<u8>) -> Option<Zeroizing<Vec<u8>>> {
        let at = sealed.len().checked_sub(Self::NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(sealed.get(at..)?).ok()?;
        sealed.truncate(at);
        let length = self.key.open_in_place(nonce, self.about(state, attempt), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(Zeroizing::new(sealed))
    }

    fn about(&self, state: State, attempt: Attempt) -> Aad<Vec<u8>> {
        Aad::from([DOMAIN, &self.name.0, &[state.number()], &attempt.0].concat())
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealing(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_name_depends_on_secret_caller_and_key_and_on_where_they_end() {
        let (one, other) = (StoreSecret::generate().unwrap(), StoreSecret::generate().unwrap());
        let name = one.name("key_a", &key("b1"));
        assert!(name == one.name("key_a", &key("\"b1\"")));
        assert!(name != one.name("key_ab", &key("1")));
        assert!(name != one.name("key_b", &key("b1")));
        assert!(name != other.name("key_a", &key("b1")));
        assert!(one.check().unwrap() != other.check().unwrap());
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_name_state_and_attempt_only() {
        let secret = StoreSecret::generate().unwrap();
        let name = secret.name("key_a", &key("k"));
        let sealing = secret.sealing(name, &key("k")).unwrap();
        let (one, other) = (Attempt([1; 16]), Attempt([2; 16]));
        let sealed = sealing.seal(State::Sending, one, b"john@example.com".to_vec()).unwrap();
        assert!(!sealed.windows(4).any(|part| part == b"john"));
        let opened = |sealing: &Sealing, state, attempt, sealed: &[u8]| sealing.open(state, attempt, sealed.to_vec());
        assert_eq!(opened(&sealing, State::Sending, one, &sealed).unwrap().as_slice(), b"john@example.com");
        assert!(opened(&sealing, State::Answered, one, &sealed).is_none());
        assert!(opened(&sealing, State::Sending, other, &sealed).is_none());
        assert!(opened(&secret.sealing(name, &key("l")).unwrap(), State::Sending, one, &sealed).is_none());
        let elsewhere = secret.name("key_b", &key("k"));
        assert!(opened(&secret.sealing(elsewhere, &key("k")).unwrap(), State::Sending, one, &sealed).is_none());
        let stranger = StoreSecret::generate().unwrap();
        assert!(opened(&stranger.sealing(name, &key("k")).unwrap(), State::Sending, one, &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(opened(&sealing, State::Sending, one, &changed).is_none(), "{at}");
            assert!(opened(&sealing, State::Sending, one, &sealed[..at]).is_none(), "{at}");
        }
    }

    #[test]
    fn secrets_of_the_ledger_show_nothing_when_debugged() {
        let secret = StoreSecret::generate().unwrap();
        let sealing = secret.sealing(secret.name("a", &key("b")), &key("b")).unwrap();
        assert_eq!(format!("{secret:?} {sealing:?}"), "StoreSecret(***) Sealing(***)");
    }
}
