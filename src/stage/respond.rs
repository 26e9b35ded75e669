//! [`Guarded`], or a refusal, → the response. The only file that picks status codes and headers for callers.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::domain::answer::Media;
use crate::ledger::StoredAnswer;
use crate::rejection::Rejection;

use super::Check;
use super::guard::Guarded;

const GATEWAY_ERROR: HeaderName = HeaderName::from_static("gateway-error");
/// Beside an answer that is kept: a nickname that it may be about. It goes to nobody.
const ABOUT: HeaderName = HeaderName::from_static("gateway-nickname");
/// On an answer that another request under the same idempotency key got.
const REPLAYED: HeaderName = HeaderName::from_static("gateway-replayed");
const ACCEPTED_PERMISSIONS: HeaderName = HeaderName::from_static("gateway-accepted-permissions");

/// The stage, and the end of the stack.
#[derive(Clone, Copy, Debug, Default)]
pub struct Respond;

impl Check for Respond {
    type In = Guarded;
    type Out = Response<ReplyBody>;

    fn check(&self, guarded: Guarded) -> Result<Response<ReplyBody>, Rejection> {
        let Guarded { status, media, body } = guarded;
        let mut response = Response::new(ReplyBody(Some(body).filter(|body| !body.is_empty())));
        *response.status_mut() = status;
        if let Some(media) = media {
            let name = match media {
                Media::Json => "application/json",
                Media::Xml => "application/xml",
                Media::Text => "text/plain; charset=utf-8",
            };
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(name));
        }
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        Ok(response)
    }
}

/// An answer's body, whole.
pub struct ReplyBody(Option<Bytes>);

/// Shows how many bytes there are: they may be a customer's data.
impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyBody({} bytes)", self.0.as_ref().map_or(0, Bytes::len))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |data| data.len() as u64))
    }
}

/// The status of a refusal.
const fn status(rejection: &Rejection) -> StatusCode {
    match rejection {
        Rejection::Malformed(_)
        | Rejection::UnknownParameter { .. }
        | Rejection::UnsaidParameter { .. }
        | Rejection::BodyNotAllowed
        | Rejection::NicknameRequired { .. } => StatusCode::BAD_REQUEST,
        Rejection::KeyRefused(_) => StatusCode::UNAUTHORIZED,
        Rejection::ChangesSwitchedOff
        | Rejection::CapReached { .. }
        | Rejection::RefundAmountUnknown
        | Rejection::PermissionMissing { .. }
        | Rejection::NicknameNotGranted { .. }
        | Rejection::ConfinedCredentialRequired { .. }
        | Rejection::NotYoursOrUnknown
        | Rejection::EndpointBlocked => StatusCode::FORBIDDEN,
        Rejection::UnknownEndpoint => StatusCode::NOT_FOUND,
        Rejection::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
        Rejection::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
        Rejection::IdempotencyInFlight | Rejection::ChangeNotExecuted => StatusCode::CONFLICT,
        Rejection::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
        Rejection::IdempotencyNotOffered => StatusCode::NOT_IMPLEMENTED,
        Rejection::TargetTooLong => StatusCode::URI_TOO_LONG,
        Rejection::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Rejection::LimitPerSecond { .. } | Rejection::LimitPerDay { .. } => StatusCode::TOO_MANY_REQUESTS,
        Rejection::UpstreamUnreachable
        | Rejection::AnswerUnreadable
        | Rejection::AnswerTooLarge
        | Rejection::LookUpFailed
        | Rejection::CredentialRefused
        | Rejection::CredentialEchoed { .. }
        | Rejection::OutcomeUnknown
        | Rejection::ExecutedAnswerWithheld => StatusCode::BAD_GATEWAY,
        Rejection::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        Rejection::Overloaded | Rejection::Overtaken => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// What is kept of an answer, to be given again to who may touch these nicknames.
pub(super) fn kept(response: &Response<ReplyBody>, nicknames: &[String]) -> StoredAnswer {
    StoredAnswer {
        status: response.status(),
        content_type: response.headers().get(CONTENT_TYPE).cloned(),
        headers: about(nicknames).collect(),
        body: response.body().0.clone().unwrap_or_default(),
    }
}

fn about(nicknames: &[String]) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    nicknames.iter().filter_map(|nickname| Some((ABOUT, HeaderValue::from_str(nickname).ok()?)))
}

/// The bytes of an answer.
pub(super) fn body(response: &Response<ReplyBody>) -> &[u8] {
    response.body().0.as_deref().unwrap_or_default()
}

/// Whether all that a kept answer may be about is among these nicknames.
pub(super) fn is_about(answer: &StoredAnswer, nicknames: &[String]) -> bool {
    let mut about = answer.headers.iter().filter(|(name, _)| *name == ABOUT);
    about.all(|(_, value)| nicknames.iter().any(|nickname| value.as_bytes() == nickname.as_bytes()))
}

/// What is kept of a change whose answer nobody may have. It is refused again, with an id of its own.
pub(super) fn kept_withheld(nicknames: &[String]) -> StoredAnswer {
    let code = HeaderValue::from_static(Rejection::ExecutedAnswerWithheld.code().as_str());
    let status = status(&Rejection::ExecutedAnswerWithheld);
    let headers = about(nicknames).chain([(GATEWAY_ERROR, code)]).collect();
    StoredAnswer { status, content_type: None, headers, body: Bytes::new() }
}

/// An answer that was kept.
pub(super) fn once_more(answer: StoredAnswer) -> Result<Response<ReplyBody>, Rejection> {
    let StoredAnswer { status, content_type, headers, body } = answer;
    if headers.iter().any(|(name, _)| *name == GATEWAY_ERROR) {
        return Err(Rejection::ExecutedAnswerWithheld);
    }
    let mut response = Response::new(ReplyBody(Some(body).filter(|body| !body.is_empty())));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.extend(content_type.map(|media| (CONTENT_TYPE, media)));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    fields.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// The answer to a refused request: `application/problem+json` (RFC 9457). `read` shows what became of it.
#[must_use]
pub(crate) fn refuse(rejection: &Rejection, request_id: &str, read: Option<&str>) -> Response<ReplyBody> {
    let status = status(rejection);
    let code = rejection.code().as_str();
    let mut problem = serde_json::json!({
        "type": format!("urn:clickbank-gateway:error:{code}"),
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "code": code,
        "detail": rejection.detail(),
        "request_id": request_id,
    });
    if let (Some(problem), Some(read)) = (problem.as_object_mut(), read) {
        problem.insert("read".to_owned(), read.into());
    }
    let mut response = Response::new(ReplyBody(Some(Bytes::from(problem.to_string()))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(GATEWAY_ERROR, HeaderValue::from_static(code));
    match rejection {
        Rejection::KeyRefused(_) => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"clickbank-gateway\""));
        }
        Rejection::MethodNotAllowed(methods) => {
            let methods: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
            headers.extend(HeaderValue::try_from(methods.join(", ")).ok().map(|methods| (ALLOW, methods)));
        }
        Rejection::PermissionMissing { needed, .. } | Rejection::NicknameNotGranted { needed } => {
            let needed = HeaderValue::try_from(needed.to_string()).ok();
            headers.extend(needed.map(|needed| (ACCEPTED_PERMISSIONS, needed)));
        }
        Rejection::LimitPerSecond { retry_after }
        | Rejection::LimitPerDay { retry_after }
        | Rejection::CapReached { retry_after: Some(retry_after), .. } => {
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        Rejection::Overloaded | Rejection::IdempotencyInFlight => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        // What follows on a connection after such a message cannot be trusted to be a request.
        Rejection::Malformed(_) | Rejection::HeadTooLarge | Rejection::BodyNotAllowed => end_connection(&mut response),
        _ => {}
    }
    response
}

/// Has the connection closed after this answer.
pub(crate) fn end_connection(response: &mut Response<ReplyBody>) {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}
