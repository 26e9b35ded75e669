//! Answers, and the refusals among them.

use bytes::Bytes;
use http::StatusCode;

use super::accept::Format;

/// An answer of ClickBank's, before it meets a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The value of `Content-Type`, where there is a body.
    pub content_type: Option<&'static str>,
    /// The value of `Allow`, where there is one.
    pub allow: Option<&'static str>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A body in `format`.
    pub(crate) fn body(status: StatusCode, format: Format, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: Some(format.content_type()), allow: None, body: body.into() }
    }

    /// `204`.
    pub(crate) fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, content_type: None, allow: None, body: Bytes::new() }
    }

    /// What `OPTIONS` gets: the methods that there are.
    pub(crate) fn options(allow: &'static str) -> Self {
        Self { status: StatusCode::OK, content_type: None, allow: Some(allow), body: Bytes::new() }
    }

    /// The answer to `HEAD` where this one is the answer to `GET`.
    pub(crate) fn without_body(mut self) -> Self {
        self.body = Bytes::new();
        self
    }

    /// The body as text, for a look at it.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why ClickBank answers with an error. Its bodies are plain text, whatever `Accept` says; the wording is a guess, but
/// for those that are quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `Authorization: Bearer …` or `Basic …`.
    InvalidKey,
    /// No key, an unknown one, or an inactive one.
    NoAccess,
    /// The key lacks the permission.
    NoPermission,
    /// A nickname, receipt, ticket or product that is unknown or belongs to somebody else.
    NotAccessible,
    /// A subscription or sale that is not active (`HEAD`).
    NotActive,
    /// An order without upsells.
    NoUpsells,
    /// The seller may not refund a part.
    NoPartialRefunds,
    /// A parameter is missing or cannot be used.
    BadParameter(&'static str),
    /// No such path.
    NotFound,
    /// Another method would do.
    MethodNotAllowed(&'static str),
    /// No representation that `Accept` allows.
    NotAcceptable,
    /// A change that what it is about does not allow (any more).
    NotPossible(&'static str),
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let (status, text) = match refusal {
            Refusal::InvalidKey => (StatusCode::UNAUTHORIZED, "Invalid API key"),
            Refusal::NoAccess => (StatusCode::FORBIDDEN, "Access is denied"),
            Refusal::NoPermission => {
                (StatusCode::FORBIDDEN, "The API key does not have the permission for this service")
            }
            Refusal::NotAccessible => (StatusCode::FORBIDDEN, "The user does not have access to the requested data"),
            Refusal::NotActive => (StatusCode::FORBIDDEN, "The subscription is not active"),
            Refusal::NoUpsells => (StatusCode::FORBIDDEN, "No upsells were found"),
            Refusal::NoPartialRefunds => (StatusCode::FORBIDDEN, "The vendor is not enabled for partial refunds"),
            Refusal::BadParameter(text) => (StatusCode::BAD_REQUEST, text),
            Refusal::NotFound => (StatusCode::NOT_FOUND, "Not found"),
            Refusal::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
            Refusal::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "Not acceptable"),
            Refusal::NotPossible(text) => (StatusCode::FORBIDDEN, text),
        };
        let mut answer = Self::body(status, Format::Text, text);
        if let Refusal::MethodNotAllowed(allow) = refusal {
            answer.allow = Some(allow);
        }
        answer
    }
}
