//! `Shaped` → [`Outbound`]: the request in the gateway's own words, with the credential of its permit.
//!
//! The header set is built from nothing: what a caller sent cannot get into it. This is the only file that takes a
//! credential's value out of its type.

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HeaderName, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::Empty;

use crate::domain::endpoint::{Changes, Method};
use crate::domain::secret::CredentialSecret;
use crate::rejection::Rejection;

use super::Check;
use super::prove::Proven;
use super::shape::{Leave, Shaped};

const PAGE: HeaderName = HeaderName::from_static("page");
const OUR_USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")));

/// A request as it goes to ClickBank. Only this file makes one.
pub struct Outbound {
    proven: Proven,
    changes: Changes,
    secret: Option<CredentialSecret>,
    leave: Leave,
    request: Request<Empty<Bytes>>,
}

impl Outbound {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &http::Method {
        self.request.method()
    }

    /// Where it goes.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        self.request.uri()
    }

    /// The header fields, apart from the one with the credential.
    pub fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.request.headers().iter().filter(|(name, _)| **name != AUTHORIZATION)
    }

    /// Takes it apart for sending, which can happen once. How often its request may be sent then is for its leave to say.
    pub(super) fn into_request(self) -> (Sending, Leave, Request<Empty<Bytes>>) {
        let Self { proven, changes, secret, leave, request } = self;
        (Sending { proven, changes, secret }, leave, request)
    }
}

/// What is kept of an [`Outbound`] while its request is on the wire.
pub(super) struct Sending {
    pub(super) proven: Proven,
    pub(super) changes: Changes,
    /// The secret of the credential that acts, to search the answer for.
    pub(super) secret: Option<CredentialSecret>,
}

/// The stage.
#[derive(Clone, Debug)]
pub struct Inject {
    authority: Authority,
}

impl Inject {
    /// For requests to this authority, whatever a caller's `Host` says.
    #[must_use]
    pub const fn new(authority: Authority) -> Self {
        Self { authority }
    }
}

impl Check for Inject {
    type In = Shaped;
    type Out = Outbound;

    fn check(&self, shaped: Shaped) -> Result<Outbound, Rejection> {
        let Shaped { proven, leave } = shaped;
        let snapshot = &proven.passage().snapshot;
        let endpoint = proven.endpoint().ok_or(Rejection::UnknownEndpoint)?;
        let target = PathAndQuery::try_from(proven.call().target(endpoint)).map_err(|_| Rejection::UnknownEndpoint)?;
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(Scheme::HTTPS);
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(target);
        let uri = Uri::from_parts(uri).map_err(|_| Rejection::UnknownEndpoint)?;

        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(USER_AGENT, OUR_USER_AGENT);
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(answer) = proven.answer() {
            headers.insert(ACCEPT, HeaderValue::from_static(answer.as_str()));
        }
        if let Some(page) = proven.page() {
            headers.insert(PAGE, HeaderValue::from(page.get()));
        }
        let secret = match proven.credential() {
            Some(credential) => Some(snapshot.secret(credential).ok_or(Rejection::CredentialRefused)?.clone()),
            None => None,
        };
        if let Some(secret) = &secret {
            headers.insert(AUTHORIZATION, secret.expose_to_upstream());
        }
        if matches!(endpoint.method, Method::Post | Method::Put) {
            // RFC 9110 §8.6: said also where there is none, since servers answer 411 without it.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method(endpoint.method);
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let changes = endpoint.changes;
        Ok(Outbound { proven, changes, secret, leave, request })
    }
}

const fn method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Delete => http::Method::DELETE,
    }
}
