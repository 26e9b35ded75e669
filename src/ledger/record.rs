//! What one record is, on the disk and sealed within.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use super::key::Fingerprint;

/// Under what a record is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RecordName(pub(super) [u8; Self::LENGTH]);

impl RecordName {
    pub(super) const LENGTH: usize = 32;
}

/// One try to send a change: what is written about one is never taken for another's under the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt(pub(super) [u8; Self::LENGTH]);

impl Attempt {
    pub(super) const LENGTH: usize = 16;
}

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It may have been sent.
    Sending,
    /// It was answered.
    Answered,
}

impl State {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Sending => 1,
            Self::Answered => 2,
        }
    }
}

/// A record as a store keeps it.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) head: Head,
    pub(super) sealed: Vec<u8>,
}

/// What a store may know of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) state: State,
    pub(super) attempt: Attempt,
    /// Seconds since 1970 from which on it may be forgotten. It is not sealed, so that a store can sweep.
    pub(super) due: u64,
}

impl Head {
    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let [number] = array(bytes)?;
        let state = [State::Sending, State::Answered].into_iter().find(|state| state.number() == number)?;
        Some(Self { state, attempt: Attempt(array(bytes)?), due: u64::from_be_bytes(array(bytes)?) })
    }

    /// Reads the head of what [`Record::encode`] wrote.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        Self::take(&mut bytes)
    }
}

impl Record {
    pub(super) fn encode(&self) -> Vec<u8> {
        let Self { head, sealed } = self;
        let head: [&[u8]; 3] = [&[head.state.number()], &head.attempt.0, &head.due.to_be_bytes()];
        [head.concat().as_slice(), sealed].concat()
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let head = Head::take(&mut bytes)?;
        Some(Self { head, sealed: bytes.to_vec() })
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("head", &self.head).finish_non_exhaustive()
    }
}

/// What is sealed within a record.
pub(super) struct Contents<'a> {
    pub(super) fingerprint: Fingerprint,
    /// Seconds since 1970.
    pub(super) sent: u64,
    /// The sender's notes, or the answer.
    pub(super) rest: &'a [u8],
}

impl<'a> Contents<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        // With room for what sealing adds, so that no copy of it is left behind.
        let mut bytes = Vec::with_capacity(Fingerprint::LENGTH + 8 + self.rest.len() + 64);
        bytes.extend_from_slice(self.fingerprint.bytes());
        bytes.extend_from_slice(&self.sent.to_be_bytes());
        bytes.extend_from_slice(self.rest);
        bytes
    }

    pub(super) fn decode(mut bytes: &'a [u8]) -> Option<Self> {
        let fingerprint = Fingerprint::from_bytes(array(&mut bytes)?);
        Some(Self { fingerprint, sent: u64::from_be_bytes(array(&mut bytes)?), rest: bytes })
    }

    pub(super) fn sent_at(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::from_secs(self.sent)).unwrap_or(UNIX_EPOCH)
    }
}

/// The answer to a change, to be given again to who asks again. It can hold personal data, so its body and its header
/// values are not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The status.
    pub status: StatusCode,
    /// The content type, if there was one.
    pub content_type: Option<HeaderValue>,
    /// Further headers, in order.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

impl StoredAnswer {
    /// Bytes of everything in it.
    #[must_use]
    pub fn length(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len()));
        let headers = headers.fold(0, usize::saturating_add);
        let content_type = self.content_type.as_ref().map_or(0, HeaderValue::len);
        self.body.len().saturating_add(headers).saturating_add(content_type)
    }

    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.length().saturating_add(64));
        bytes.extend_from_slice(&self.status.as_u16().to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(self.headers.len()).ok()?.to_be_bytes());
        bytes.push(u8::from(self.content_type.is_some()));
        let mut put = |text: &[u8]| {
            bytes.extend_from_slice(&u32::try_from(text.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(text);
            Some(())
        };
        if let Some(content_type) = &self.content_type {
            put(content_type.as_bytes())?;
        }
        for (name, value) in &self.headers {
            put(name.as_str().as_bytes())?;
            put(value.as_bytes())?;
        }
        bytes.extend_from_slice(&self.body);
        Some(bytes)
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let status = u16::from_be_bytes(array(&mut bytes)?).try_into().ok()?;
        let count = u32::from_be_bytes(array(&mut bytes)?);
        let content_type = match array(&mut bytes)? {
            [0] => None,
            [_] => Some(HeaderValue::from_bytes(text(&mut bytes)?).ok()?),
        };
        let mut headers = Vec::new();
        for _ in 0..count {
            let name = HeaderName::from_bytes(text(&mut bytes)?).ok()?;
            headers.push((name, HeaderValue::from_bytes(text(&mut bytes)?).ok()?));
        }
        Some(Self { status, content_type, headers, body: Bytes::copy_from_slice(bytes) })
    }
}

impl fmt::Debug for StoredAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Takes the next bytes.
pub(super) fn array<const LENGTH: usize>(bytes: &mut &[u8]) -> Option<[u8; LENGTH]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

/// Takes the next text, which its length precedes.
fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_be_bytes(array(bytes)?).try_into().ok()?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> StoredAnswer {
        StoredAnswer {
            status: 201.try_into().unwrap(),
            content_type: Some(HeaderValue::from_static("application/json")),
            headers: vec![
                (HeaderName::from_static("page"), HeaderValue::from_static("2")),
                (HeaderName::from_static("x-empty"), HeaderValue::from_static("")),
                (HeaderName::from_static("page"), HeaderValue::from_bytes(b"\xff").unwrap()),
            ],
            body: Bytes::from_static(b"{\"customer\": \"john@example.com\"}"),
        }
    }

    #[test]
    fn an_answer_reads_back_as_it_was_and_its_beginning_does_not() {
        let plain = StoredAnswer { content_type: None, headers: Vec::new(), body: Bytes::new(), ..answer() };
        for answer in [answer(), plain] {
            let bytes = answer.encode().unwrap();
            assert!(StoredAnswer::decode(&bytes) == Some(answer.clone()));
            for length in 0..bytes.len() - answer.body.len() {
                assert!(StoredAnswer::decode(&bytes[..length]).is_none(), "{length}");
            }
        }
    }

    #[test]
    fn an_answer_shows_its_status_alone_when_debugged() {
        assert_eq!(format!("{:?}", answer()), "StoredAnswer { status: 201, .. }");
    }

    #[test]
    fn a_record_reads_back_and_another_state_is_none() {
        let head = Head { state: State::Answered, attempt: Attempt([7; 16]), due: 99 };
        let bytes = Record { head, sealed: vec![1, 2, 3] }.encode();
        let record = Record::decode(&bytes).unwrap();
        assert_eq!((record.head, record.sealed), (head, vec![1, 2, 3]));
        let mut other = bytes.clone();
        other[0] = 3;
        assert!(Record::decode(&other).is_none());
        assert!(Record::decode(&bytes[..24]).is_none());
    }
}
