//! `Received` → [`Guarded`]: the answer is read whole, within bounds, and judged before a byte of it is released.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use crate::config::Upstream;
use crate::domain::endpoint::Changes;
use crate::rejection::Rejection;

use super::Step;
use super::classify::AnswerType;
use super::forward::Received;

/// Memory is accounted for in pieces of this many bytes.
const PIECE: usize = 4 << 10;

/// An answer that may be released. Only this file makes one.
pub struct Guarded {
    pub(super) status: StatusCode,
    pub(super) media: Option<Media>,
    pub(super) body: Bytes,
}

/// An answer's bytes, and the memory that counts as in use until the last of them is let go.
struct Held {
    bytes: BytesMut,
    _memory: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The types that an answer can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Xml,
    Text,
}

/// The stage.
#[derive(Clone, Debug)]
pub struct Guard {
    max_answer: usize,
    memory: Arc<Semaphore>,
}

impl Guard {
    /// With the memory that all answers share.
    #[must_use]
    pub fn new(upstream: &Upstream) -> Self {
        let pieces = (upstream.answer_memory / PIECE).clamp(1, Semaphore::MAX_PERMITS);
        Self { max_answer: upstream.max_answer, memory: Arc::new(Semaphore::new(pieces)) }
    }

    async fn read(&self, mut body: Incoming) -> Result<Bytes, Fault> {
        if body.size_hint().lower() > self.max_answer as u64 {
            return Err(Fault::TooLarge);
        }
        let mut held: Option<OwnedSemaphorePermit> = None;
        let mut accounted = 0;
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Fault::BrokenOff)?.into_data() else { continue };
            let length = whole.len() + data.len();
            if length > self.max_answer {
                return Err(Fault::TooLarge);
            }
            if length > accounted {
                let pieces = u32::try_from((length - accounted).div_ceil(PIECE)).map_err(|_| Fault::TooLarge)?;
                // Waiting here could wait for ever: others may hold what is needed, and wait as well.
                let more = Arc::clone(&self.memory).try_acquire_many_owned(pieces).map_err(|_| Fault::NoMemory)?;
                accounted += pieces as usize * PIECE;
                match &mut held {
                    Some(held) => held.merge(more),
                    None => held = Some(more),
                }
            }
            whole.extend_from_slice(&data);
        }
        Ok(Bytes::from_owner(Held { bytes: whole, _memory: held }))
    }
}

/// Why an answer cannot be released, in one word for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    TooLarge,
    BrokenOff,
    Late,
    NoMemory,
    Status,
    Type,
    Encoding,
    CredentialRefused,
}

impl Fault {
    const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "answer-too-large",
            Self::BrokenOff => "answer-broken-off",
            Self::Late => "answer-late",
            Self::NoMemory => "no-memory-for-answer",
            Self::Status => "unexpected-status",
            Self::Type => "unexpected-type",
            Self::Encoding => "unexpected-encoding",
            Self::CredentialRefused => "credential-refused",
        }
    }

    fn rejection(self, changes: Changes, status: StatusCode) -> Rejection {
        if self == Self::CredentialRefused {
            return Rejection::CredentialRefused;
        }
        if changes != Changes::Nothing {
            // An answer in the 200s says that it was done. Any other that cannot be read says nothing for certain.
            return if status.is_success() { Rejection::ExecutedAnswerWithheld } else { Rejection::OutcomeUnknown };
        }
        match self {
            Self::TooLarge => Rejection::AnswerTooLarge,
            Self::Late => Rejection::UpstreamTimeout,
            Self::NoMemory => Rejection::Overloaded,
            _ => Rejection::AnswerUnreadable,
        }
    }
}

impl Step for Guard {
    type In = Received;
    type Out = Guarded;

    async fn step(&self, received: Received) -> Result<Guarded, Rejection> {
        let Received { sending, response, began, deadline } = received;
        let (head, body) = response.into_parts();
        let judged = async {
            let expected = judge_status(head.status)?;
            let read = timeout_at(deadline, self.read(body)).await.unwrap_or(Err(Fault::Late));
            let judged = read.and_then(|body| {
                let media = judge_type(&head.headers, expected, sending.answer, body.is_empty())?;
                Ok(Guarded { status: head.status, media, body })
            });
            match (expected, judged) {
                // The status is ClickBank's answer, also where its words for it cannot be released. Only of a failure to
                // make a change nobody knows how far it came.
                (Expected::Explanation, Err(fault))
                    if sending.changes == Changes::Nothing || head.status.is_client_error() =>
                {
                    sending.passage.trail.facts().upstream_fault = Some(fault.as_str());
                    Ok(Guarded { status: head.status, media: None, body: Bytes::new() })
                }
                (_, judged) => judged,
            }
        };
        let judged = judged.await;
        let mut facts = sending.passage.trail.facts();
        facts.upstream = began.elapsed();
        judged.map_err(|fault: Fault| {
            facts.upstream_fault = Some(fault.as_str());
            fault.rejection(sending.changes, head.status)
        })
    }
}

/// What the body of an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// What was asked for.
    Answer,
    /// ClickBank explains itself in plain text, whatever was asked for.
    Explanation,
}

fn judge_status(status: StatusCode) -> Result<Expected, Fault> {
    match status.as_u16() {
        200 | 201 | 204 | 206 => Ok(Expected::Answer),
        // ClickBank answers 403 for whatever it does not let a key do; 401 is about the key itself.
        401 => Err(Fault::CredentialRefused),
        400..=599 => Ok(Expected::Explanation),
        // Redirects among them: a credential does not follow them, and neither does the caller.
        _ => Err(Fault::Status),
    }
}

fn judge_type(
    headers: &HeaderMap,
    expected: Expected,
    asked: Option<AnswerType>,
    empty: bool,
) -> Result<Option<Media>, Fault> {
    if empty {
        return Ok(None);
    }
    let encoded =
        headers.get_all(CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded {
        return Err(Fault::Encoding);
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let media = match (types.next(), types.next()) {
        (None, _) => None,
        (Some(value), None) => Some(media(value.as_bytes()).ok_or(Fault::Type)?),
        (Some(_), Some(_)) => return Err(Fault::Type),
    };
    let media = media.ok_or(Fault::Type)?;
    let fits = match (expected, asked) {
        (Expected::Explanation, _) | (Expected::Answer, None) => true,
        (Expected::Answer, Some(AnswerType::Json)) => matches!(media, Media::Json | Media::Text),
        (Expected::Answer, Some(AnswerType::Xml)) => matches!(media, Media::Xml | Media::Text),
        (Expected::Answer, Some(AnswerType::Text)) => media == Media::Text,
    };
    if fits { Ok(Some(media)) } else { Err(Fault::Type) }
}

/// The type that a `Content-Type` names, if it is one that can be judged: in UTF-8, or saying nothing about that.
fn media(value: &[u8]) -> Option<Media> {
    let text = std::str::from_utf8(value).ok()?.to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let media = match parts.next()? {
        "application/json" => Media::Json,
        "application/xml" | "text/xml" => Media::Xml,
        "text/plain" => Media::Text,
        _ => return None,
    };
    let charset = parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim() == "charset");
    let readable = charset.is_none_or(|(_, value)| matches!(value.trim().trim_matches('"'), "utf-8" | "us-ascii"));
    readable.then_some(media)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_counts_for_as_long_as_its_bytes_are_there() {
        let memory = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&memory).try_acquire_owned().unwrap();
        let body = Bytes::from_owner(Held { bytes: BytesMut::from("rows"), _memory: Some(permit) });
        // hyper drops the body that it was given and writes its bytes as fast as the caller reads.
        let written = body.slice(1..);
        drop(body);
        assert_eq!(memory.available_permits(), 0);
        drop(written);
        assert_eq!(memory.available_permits(), 1);
    }
}
