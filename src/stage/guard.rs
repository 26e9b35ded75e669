//! `Received` → [`Guarded`]: the answer is read whole, within bounds, and judged before a byte of it is released.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use dashmap::DashMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::ext::ReasonPhrase;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use crate::config::Upstream;
use crate::domain::answer::{self, Bare, End, Flaw, Media};
use crate::domain::endpoint::Changes;
use crate::domain::secret::CredentialSecret;
use crate::keys::KeyNumber;
use crate::rejection::Rejection;

use super::Step;
use super::classify::AnswerType;
use super::forward::{Received, UpstreamBody};
use super::inject::Sending;
use super::prove::Proven;

mod release;

use release::Withheld;

/// Memory is accounted for in pieces of this many bytes.
const PIECE: usize = 4 << 10;

/// What is set aside at once for an answer about what is not known to be the caller's, or all that an answer may have.
/// Taken piece by piece, memory that the caller itself filled would tell how much is answered.
const SET_ASIDE: usize = 1 << 20;

/// Larger bodies are judged on a thread of their own, so that other requests need not wait for it.
const LARGE: usize = 256 << 10;

/// An answer that may be released. Only this file makes one.
pub struct Guarded {
    pub(super) status: StatusCode,
    pub(super) media: Option<Media>,
    pub(super) body: Bytes,
}

/// An answer that was read whole and is what it says it is. Whether the caller may have it is another matter.
pub(super) struct Read {
    sending: Sending,
    pub(super) status: StatusCode,
    /// None where there is no body.
    pub(super) media: Option<Media>,
    held: Held,
}

impl Read {
    /// What it is the answer to.
    pub(super) const fn proven(&self) -> &Proven {
        &self.sending.proven
    }

    /// The body.
    pub(super) fn body(&self) -> &[u8] {
        &self.held.bytes
    }

    /// Whether it is more than ClickBank's words for why there is no answer.
    fn is_answer(&self) -> bool {
        self.status.is_success()
    }

    /// Leaves the status alone.
    fn drop_body(&mut self) {
        self.media = None;
        self.held = Held::default();
    }

    /// What of it may be released.
    fn into_guarded(mut self) -> Result<Guarded, Rejection> {
        // ClickBank failed, before or after the change was made. Its words for that are not passed on: clients repeat by
        // themselves what is answered with some of these statuses.
        if self.sending.changes != Changes::Nothing && self.status.is_server_error() {
            self.sending.proven.passage().trail.facts().upstream_fault = Some("change-failed");
            return Err(Rejection::OutcomeUnknown);
        }
        let withheld = release::release(&mut self);
        let Self { sending, status, media, held } = self;
        let fault = match withheld {
            Ok(()) => return Ok(Guarded { status, media, body: Bytes::from_owner(held) }),
            // Of a change that was made it has to be said that it was.
            Err(Withheld::NotYours) if sending.changes != Changes::Nothing && status.is_success() => Fault::Rows,
            Err(Withheld::NotYours) => return Err(Rejection::NotYoursOrUnknown),
            Err(Withheld::Unreadable) => Fault::Rows,
            Err(Withheld::Foreign) => Fault::ForeignOwner,
        };
        let mut facts = sending.proven.passage().trail.facts();
        match fault {
            Fault::ForeignOwner => facts.alarm(fault.as_str()),
            _ => facts.upstream_fault = Some(fault.as_str()),
        }
        Err(fault.rejection(&sending, status))
    }
}

/// An answer's bytes, and the memory that counts as in use until the last of them is let go.
#[derive(Default)]
struct Held {
    bytes: BytesMut,
    _memory: Option<Memory>,
}

/// Memory in use: part of a caller's share, and of all there is.
struct Memory {
    of_caller: OwnedSemaphorePermit,
    of_all: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What has come of an answer's body.
#[derive(Default)]
struct Taken {
    bytes: BytesMut,
    trailers: Option<HeaderMap>,
    memory: Option<Memory>,
}

/// Callers whose shares are remembered; some megabytes.
const MAX_SHARES: usize = 16_384;

/// The stage.
#[derive(Clone, Debug)]
pub struct Guard {
    max_answer: usize,
    memory: Arc<Semaphore>,
    /// In pieces, what one caller may have in use: half, so that one who takes its answers slowly leaves the other half.
    share: usize,
    shares: Arc<DashMap<KeyNumber, Arc<Semaphore>>>,
}

impl Guard {
    /// With the memory that all answers share.
    #[must_use]
    pub fn new(upstream: &Upstream) -> Self {
        Self::with(upstream.max_answer, upstream.answer_memory)
    }

    fn with(max_answer: usize, answer_memory: usize) -> Self {
        let pieces = (answer_memory / PIECE).clamp(1, Semaphore::MAX_PERMITS);
        Self {
            max_answer,
            memory: Arc::new(Semaphore::new(pieces)),
            // One answer fits in any case.
            share: (pieces / 2).max(max_answer.div_ceil(PIECE)).clamp(1, Semaphore::MAX_PERMITS),
            shares: Arc::default(),
        }
    }

    /// Memory for a caller's answer. `None` when there is none: waiting here could wait for ever, since others may hold
    /// what is needed, and wait as well.
    fn acquire(&self, caller: KeyNumber, pieces: u32) -> Option<Memory> {
        if self.shares.len() >= MAX_SHARES {
            // Who has nothing in use has all of its share.
            self.shares.retain(|_, share| Arc::strong_count(share) > 1);
        }
        let share = Arc::clone(&*self.shares.entry(caller).or_insert_with(|| Arc::new(Semaphore::new(self.share))));
        Some(Memory {
            of_caller: share.try_acquire_many_owned(pieces).ok()?,
            of_all: Arc::clone(&self.memory).try_acquire_many_owned(pieces).ok()?,
        })
    }

    /// Reads a body to its end. What came of it is in `taken` also if it has none, or none in time.
    async fn take(
        &self,
        (caller, unproven): (KeyNumber, bool),
        mut body: UpstreamBody,
        taken: &mut Taken,
    ) -> Result<(), Fault> {
        let mut accounted = 0;
        if unproven {
            let pieces = self.max_answer.min(SET_ASIDE).div_ceil(PIECE);
            let memory = u32::try_from(pieces).ok().and_then(|pieces| self.acquire(caller, pieces));
            taken.memory = Some(memory.ok_or(Fault::NoMemory)?);
            accounted = pieces * PIECE;
        }
        if body.size_hint().lower() > self.max_answer as u64 {
            return Err(Fault::TooLarge);
        }
        while let Some(frame) = body.frame().await {
            let data = match frame.map_err(|_| Fault::BrokenOff)?.into_data() {
                Ok(data) => data,
                Err(other) => {
                    taken.trailers = other.into_trailers().ok();
                    continue;
                }
            };
            let length = taken.bytes.len() + data.len();
            if length > self.max_answer {
                return Err(Fault::TooLarge);
            }
            if length > accounted {
                let pieces = u32::try_from((length - accounted).div_ceil(PIECE)).map_err(|_| Fault::TooLarge)?;
                // Of what was answered with less, or with nothing, it could not be told that there is no memory for it.
                let none = if unproven { Fault::TooLarge } else { Fault::NoMemory };
                let more = self.acquire(caller, pieces).ok_or(none)?;
                accounted += pieces as usize * PIECE;
                match &mut taken.memory {
                    Some(held) => {
                        held.of_caller.merge(more.of_caller);
                        held.of_all.merge(more.of_all);
                    }
                    None => taken.memory = Some(more),
                }
            }
            taken.bytes.extend_from_slice(&data);
        }
        if let Some(held) = &mut taken.memory {
            let surplus = accounted / PIECE - taken.bytes.len().div_ceil(PIECE);
            drop((held.of_caller.split(surplus), held.of_all.split(surplus)));
        }
        Ok(())
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
    Flaw(Flaw),
    Rows,
    ForeignOwner,
    CredentialRefused,
    CredentialEchoed,
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
            Self::Flaw(flaw) => flaw.as_str(),
            Self::Rows => "rows-unreadable",
            Self::ForeignOwner => "foreign-owner",
            Self::CredentialRefused => "credential-refused",
            Self::CredentialEchoed => "credential-echoed",
        }
    }

    /// Whether it is about what was answered, and not about how it came.
    const fn is_of_content(self) -> bool {
        match self {
            Self::TooLarge | Self::Status | Self::Type | Self::Encoding | Self::Rows | Self::CredentialEchoed => true,
            Self::Flaw(flaw) => !matches!(flaw, Flaw::PerhapsBrokenOff),
            Self::BrokenOff | Self::Late | Self::NoMemory | Self::ForeignOwner | Self::CredentialRefused => false,
        }
    }

    fn rejection(self, sending: &Sending, status: StatusCode) -> Rejection {
        let changes = sending.changes;
        // Whatever is answered about what is not known to be the caller's, it tells nothing.
        if sending.proven.is_unproven() && self.is_of_content() {
            return Rejection::NotYoursOrUnknown;
        }
        self.rejection_of(changes, status)
    }

    fn rejection_of(self, changes: Changes, status: StatusCode) -> Rejection {
        // A credential that ClickBank does not accept stays that, also where its answer repeats it.
        if self == Self::CredentialRefused || status.as_u16() == 401 {
            return Rejection::CredentialRefused;
        }
        let of_change = changes != Changes::Nothing;
        if self == Self::CredentialEchoed && (!of_change || status.is_client_error()) {
            return Rejection::CredentialEchoed { of_change };
        }
        if of_change {
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

impl Guard {
    /// Reads an answer whole, and judges whether it is what it says it is.
    ///
    /// # Errors
    /// When it is not, or not all of it comes in time and within bounds.
    pub(super) async fn read(&self, received: Received) -> Result<Read, Rejection> {
        let Received { sending, response, began, deadline } = received;
        let (head, body) = response.into_parts();
        let (changes, status) = (sending.changes, head.status);
        note_refusal(&sending.proven, status);
        let bare = if changes == Changes::Nothing { Bare::Count } else { Bare::Name };
        let end = end(&head.headers, &body);
        let mut taken = Taken::default();
        // Also of an answer that is not released it is told whether it repeats the credential, as far as it has come.
        let whose = (sending.proven.number(), sending.proven.is_unproven());
        let read = timeout_at(deadline, self.take(whose, body, &mut taken)).await;
        let read = read.unwrap_or(Err(Fault::Late));
        let took = began.elapsed();
        let Taken { bytes, trailers, memory } = taken;
        let held = Held { bytes, _memory: memory };
        let large = held.bytes.len() > LARGE;
        let judging = move || {
            let whole = Whole { head: &head, trailers: trailers.as_ref(), end, bare, body: &held.bytes };
            let judged = whole.judge(&sending, read);
            (sending, held, judged)
        };
        // Nothing in it panics, and nobody aborts it.
        let judged = aside_if(large, judging).await;
        let (sending, mut held, judged) = judged.ok_or_else(|| Fault::BrokenOff.rejection_of(changes, status))?;
        let mut facts = sending.proven.passage().trail.facts();
        facts.upstream += took;
        let judged = judged.and_then(|(expected, judged)| match judged {
            // The status is ClickBank's answer, also where its words for it cannot be released. Only of a failure to
            // make a change nobody knows how far it came.
            Err(fault)
                if expected == Expected::Explanation
                    && (changes == Changes::Nothing || status.is_client_error())
                    && !(fault == Fault::NoMemory && sending.proven.is_unproven()) =>
            {
                facts.upstream_fault = Some(fault.as_str());
                held = Held::default();
                Ok(None)
            }
            judged => judged,
        });
        match judged {
            Ok(media) => {
                drop(facts);
                Ok(Read { sending, status, media, held })
            }
            Err(fault) => {
                facts.upstream_fault = Some(fault.as_str());
                Err(fault.rejection(&sending, status))
            }
        }
    }
}

impl Step for Guard {
    type In = Received;
    type Out = Guarded;

    async fn step(&self, received: Received) -> Result<Guarded, Rejection> {
        let read = self.read(received).await?;
        let (changes, status, large) = (read.sending.changes, read.status, read.body().len() > LARGE);
        let released = aside_if(large, move || read.into_guarded()).await;
        released.ok_or_else(|| Fault::BrokenOff.rejection_of(changes, status))?
    }
}

/// Notes that ClickBank refused a call, in which case the credential may be dead, or answered one, in which case it is
/// not. Which of both it is that refuses is not for a call to say: whoever asks for what belongs to others is refused as
/// a dead credential is.
fn note_refusal(proven: &Proven, status: StatusCode) {
    let credentials = &proven.passage().snapshot.policy.credentials;
    // A question on nobody's behalf is a probe, and whoever asked it judges its answer.
    if let (Some(credential), Some(_)) = (proven.credential(), proven.caller()) {
        match status.as_u16() {
            401 | 403 => credentials.suspect(credential),
            200..=299 => credentials.trust_again(credential),
            _ => {}
        }
    }
}

/// Does the work on a thread of its own, if it takes long.
async fn aside_if<T: Send + 'static>(long: bool, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if long { spawn_blocking(work).await.ok() } else { Some(work()) }
}

/// What has come of an answer.
struct Whole<'a> {
    head: &'a Parts,
    trailers: Option<&'a HeaderMap>,
    end: End,
    bare: Bare,
    body: &'a [u8],
}

impl Whole<'_> {
    /// Whether it can be released at all, and as what. `read` is whether its body came to its end.
    fn judge(
        &self,
        sending: &Sending,
        read: Result<(), Fault>,
    ) -> Result<(Expected, Result<Option<Media>, Fault>), Fault> {
        let &Self { head, trailers, end, bare, body } = self;
        if sending.secret.as_ref().is_some_and(|secret| shows(secret, head, trailers, body)) {
            return Err(Fault::CredentialEchoed);
        }
        let (expected, asked) = (judge_status(head.status)?, sending.proven.answer());
        let judged = read.and_then(|()| {
            let media = judge_type(&head.headers, expected, asked, body.is_empty())?;
            // Without a body it matters as much that nothing is missing.
            answer::judge(media.unwrap_or(Media::Text), end, bare, body).map_err(Fault::Flaw)?;
            // Rows in plain text would be judged as text, and read as rows. Of changes, ClickBank may say in words what
            // became of them.
            let rows_asked = matches!(asked, Some(AnswerType::Json | AnswerType::Xml));
            let words = expected == Expected::Answer && media == Some(Media::Text) && rows_asked;
            let count = || std::str::from_utf8(body).is_ok_and(|text| answer::is_bare(bare, text));
            if words && bare == Bare::Count && !count() {
                return Err(Fault::Type);
            }
            Ok(media)
        });
        Ok((expected, judged))
    }
}

/// Whether anything of an answer repeats the credential: its status line, its header and trailer fields, passed on or
/// not, its body.
fn shows(secret: &CredentialSecret, head: &Parts, trailers: Option<&HeaderMap>, body: &[u8]) -> bool {
    let reason = head.extensions.get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
    let fields = head.headers.iter().chain(trailers.into_iter().flatten());
    let fields = fields.flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
    fields.chain(reason).chain([body]).any(|text| secret.shows_in(text))
}

/// How the end of a body is known (RFC 9112 §6.3), which is to be asked before it is read.
fn end(headers: &HeaderMap, body: &UpstreamBody) -> End {
    let last_coding = headers.get_all(TRANSFER_ENCODING).iter().next_back();
    let last_coding = last_coding.and_then(|codings| codings.as_bytes().rsplit(|byte| *byte == b',').next());
    let chunked = last_coding.is_some_and(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"));
    if chunked || body.size_hint().exact().is_some() { End::Told } else { End::Closed }
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

    /// With memory of so many pieces, and answers of at most one.
    fn guard(pieces: usize) -> (Guard, Vec<KeyNumber>) {
        let guard = Guard::with(PIECE, pieces * PIECE);
        (guard, (0..3).map(|number| KeyNumber::of(&number.to_string())).collect())
    }

    #[tokio::test]
    async fn memory_counts_for_as_long_as_its_bytes_are_there() {
        let (guard, callers) = guard(1);
        let memory = guard.acquire(callers[0], 1);
        assert!(memory.is_some());
        let body = Bytes::from_owner(Held { bytes: BytesMut::from("rows"), _memory: memory });
        // hyper drops the body that it was given and writes its bytes as fast as the caller reads.
        let written = body.slice(1..);
        drop(body);
        assert!(guard.acquire(callers[0], 1).is_none());
        drop(written);
        assert!(guard.acquire(callers[0], 1).is_some());
    }

    /// A body that comes in parts.
    struct Parts(std::collections::VecDeque<Bytes>);

    impl http_body::Body for Parts {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Ready(self.0.pop_front().map(|part| Ok(http_body::Frame::data(part))))
        }
    }

    #[tokio::test]
    async fn as_much_memory_counts_as_an_answer_has_and_no_more() {
        let number = KeyNumber::of("app");
        for (length, unproven, pieces) in [
            (0, false, None),
            (1, false, Some(1)),
            (PIECE, false, Some(1)),
            (PIECE + 1, false, Some(2)),
            (3 * PIECE, false, Some(3)),
            (0, true, Some(0)),
            (1, true, Some(1)),
            (3 * PIECE, true, Some(3)),
        ] {
            let guard = Guard::with(8 * PIECE, 64 * PIECE);
            // It comes in parts, as answers do.
            let parts = vec![b'x'; length].chunks(PIECE / 2 + 1).map(Bytes::copy_from_slice).collect::<Vec<_>>();
            let body = Parts(parts.into()).map_err(|never| match never {}).boxed_unsync();
            let mut taken = Taken::default();
            assert_eq!(guard.take((number, unproven), body, &mut taken).await, Ok(()));
            assert_eq!(taken.bytes.len(), length);
            let held =
                taken.memory.as_ref().map(|memory| (memory.of_caller.num_permits(), memory.of_all.num_permits()));
            assert_eq!(held, pieces.map(|pieces| (pieces, pieces)), "{length} {unproven}");
            assert_eq!(guard.memory.available_permits(), 64 - pieces.unwrap_or(0));
        }
        // The largest answer fits where there is room for it and for nothing else.
        let guard = Guard::with(3 * PIECE, 3 * PIECE);
        let parts = vec![Bytes::from(vec![b'x'; PIECE]); 3];
        let body = Parts(parts.into()).map_err(|never| match never {}).boxed_unsync();
        assert_eq!(guard.take((number, false), body, &mut Taken::default()).await, Ok(()));
    }

    #[test]
    fn shares_of_many_callers_are_forgotten_but_not_those_in_use() {
        let (guard, callers) = guard(4 * MAX_SHARES);
        let whole = u32::try_from(guard.share).unwrap();
        let held = guard.acquire(callers[0], whole);
        assert!(held.is_some());
        for number in 0..2 * MAX_SHARES {
            assert!(guard.acquire(KeyNumber::of(&format!("key {number}")), 1).is_some());
            assert!(guard.shares.len() <= MAX_SHARES);
        }
        assert!(guard.acquire(callers[0], 1).is_none(), "its share was forgotten while it was in use");
    }

    #[test]
    fn what_is_wrong_with_an_answer_is_told_by_what_was_asked() {
        let ok = StatusCode::OK;
        for (fault, status, of_read, of_change) in [
            (Fault::TooLarge, ok, Rejection::AnswerTooLarge, Rejection::ExecutedAnswerWithheld),
            (Fault::Late, ok, Rejection::UpstreamTimeout, Rejection::ExecutedAnswerWithheld),
            (Fault::NoMemory, ok, Rejection::Overloaded, Rejection::ExecutedAnswerWithheld),
            (Fault::BrokenOff, ok, Rejection::AnswerUnreadable, Rejection::ExecutedAnswerWithheld),
            (Fault::Type, StatusCode::BAD_GATEWAY, Rejection::AnswerUnreadable, Rejection::OutcomeUnknown),
            (Fault::CredentialRefused, ok, Rejection::CredentialRefused, Rejection::CredentialRefused),
            (
                Fault::CredentialEchoed,
                StatusCode::UNAUTHORIZED,
                Rejection::CredentialRefused,
                Rejection::CredentialRefused,
            ),
        ] {
            assert_eq!(fault.rejection_of(Changes::Nothing, status), of_read, "{fault:?}");
            for changes in [Changes::Something, Changes::Money] {
                assert_eq!(fault.rejection_of(changes, status), of_change, "{fault:?}");
            }
        }
        let echoed = |changes, status| Fault::CredentialEchoed.rejection_of(changes, status);
        assert_eq!(echoed(Changes::Nothing, ok), Rejection::CredentialEchoed { of_change: false });
        assert_eq!(echoed(Changes::Money, StatusCode::BAD_REQUEST), Rejection::CredentialEchoed { of_change: true });
        assert_eq!(echoed(Changes::Money, ok), Rejection::ExecutedAnswerWithheld);
        assert_eq!(echoed(Changes::Money, StatusCode::BAD_GATEWAY), Rejection::OutcomeUnknown);
    }

    #[test]
    fn one_caller_leaves_half_of_the_memory_to_others() {
        let (guard, callers) = guard(8);
        let mut held: Vec<_> = (0..4).map(|_| guard.acquire(callers[0], 1)).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(guard.acquire(callers[0], 1).is_none());
        held.push(guard.acquire(callers[1], 4));
        assert!(held.iter().all(Option::is_some), "of the other half, another one may take all");
        assert!(guard.acquire(callers[2], 1).is_none());
        drop(held);
        assert!(guard.acquire(callers[0], 4).is_some());
    }
}
