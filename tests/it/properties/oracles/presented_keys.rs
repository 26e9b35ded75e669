//! `Authorization`: exactly the forms that ClickBank's clients send, with exactly one key that counts.

use std::sync::Arc;

use bytes::Bytes;
use clickbank_gateway::domain::matrix::CallerId;
use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::keys::{KeyName, issue};
use clickbank_gateway::rejection::Rejection;
use clickbank_gateway::stage::Check as _;
use clickbank_gateway::stage::arrive::arrive;
use clickbank_gateway::stage::authorize::Authorize;
use clickbank_gateway::stage::classify::Classify;
use clickbank_gateway::stage::identify::Identify;
use clickbank_gateway::stage::resolve::Resolve;
use clickbank_gateway::trail::Trail;
use http::{HeaderValue, Request};
use http_body_util::Empty;

use super::setup::{CALLERS, PLAIN};

/// The value of `Authorization`; a line feed begins another one. Also any text where a key or its name is expected.
pub(crate) fn check(bytes: &[u8]) {
    let values: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    if let Ok(caller) = ask(&values) {
        let expected = naive(&values);
        assert_eq!(caller, expected, "{}", bytes.escape_ascii());
    }
    let text = String::from_utf8_lossy(bytes);
    if issue::is_well_formed(&text) {
        assert!(text.len() == 41 && text.starts_with("cbgw_") && KeyName::parse(&text).is_err(), "{text:?}");
    }
    if let Some(digest) = KeyDigest::parse(&text) {
        assert_eq!(digest.to_string(), text);
    }
    if let Ok(name) = KeyName::parse(&text) {
        assert_eq!(name.as_str(), text);
    }
}

/// Which caller the gateway takes it for, if any.
///
/// # Errors
/// When no header can hold such a value.
pub(crate) fn ask(values: &[&[u8]]) -> Result<Option<&'static str>, http::Error> {
    let mut request = Request::get("/rest/1.3/orders2/schema").header("host", "gateway").body(Empty::<Bytes>::new())?;
    for value in values {
        request.headers_mut().append("authorization", HeaderValue::from_bytes(value)?);
    }
    let trail = Trail::default();
    let arrived = arrive(request, Arc::clone(&PLAIN.snapshot), trail).unwrap_or_else(|error| panic!("{error:?}"));
    match Identify.check(arrived) {
        Ok(identified) => {
            // An open document needs no grant, so every caller gets as far as a permit, which says who it is.
            let permitted = Classify.check(identified).and_then(|classified| Resolve.check(classified));
            let permitted = permitted.and_then(|resolved| Authorize.check(resolved));
            Ok(permitted.ok().map(|permitted| name(permitted.permit().caller())))
        }
        Err(Rejection::KeyRefused(_)) => Ok(None),
        Err(other) => panic!("{other:?}"),
    }
}

/// A caller's name.
pub(crate) fn name(caller: CallerId) -> &'static str {
    CALLERS[caller.index()].name
}

/// The same by the words of the design: `<key>`, `Bearer <key>`, or `<anything>:<key>`, once, with one key in it.
pub(crate) fn naive(values: &[&[u8]]) -> Option<&'static str> {
    let [value] = values else { return None };
    let value = String::from_utf8_lossy(value);
    let caller = CALLERS.iter().find(|caller| value.ends_with(&caller.key()))?;
    let before = value.strip_suffix(&caller.key())?;
    let form = match before.strip_suffix(':') {
        // One thing that can be seen, and no list of things.
        Some(anything) => anything.chars().all(|character| character.is_ascii_graphic() && character != ','),
        None => before.is_empty() || before.eq_ignore_ascii_case("bearer "),
    };
    (form && !before.contains("cbgw_") && caller.active).then_some(caller.name)
}
