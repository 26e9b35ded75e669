//! `Identified` → [`Classified`]: which endpoint is called, with which values.
//!
//! After this stage nothing of the caller's own bytes is left: what goes upstream is written from what was understood.

use std::num::NonZeroU32;

use http::HeaderMap;
use http::header::ACCEPT;

use crate::domain::call::Call;
use crate::domain::endpoint::{AnswerTypes, Method};
use crate::domain::matrix::{CallerId, Named};
use crate::domain::nickname::Nicknames;
use crate::rejection::{Malformed, Rejection};

use super::arrive::{Arrived, NICKNAME, Origin};
use super::identify::Identified;
use super::{Check, Passage};

/// A request that is one call of one endpoint.
pub struct Classified {
    pub(super) passage: Passage,
    pub(super) caller: CallerId,
    pub(super) call: Call,
    pub(super) named: Named,
    pub(super) answer: Option<AnswerType>,
    pub(super) page: Option<NonZeroU32>,
}

/// The media type to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerType {
    /// `application/json`
    Json,
    /// `application/xml`
    Xml,
    /// `text/plain`
    Text,
}

impl AnswerType {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
            Self::Text => "text/plain",
        }
    }
}

/// The stage.
#[derive(Clone, Copy, Debug, Default)]
pub struct Classify;

impl Check for Classify {
    type In = Identified;
    type Out = Classified;

    fn check(&self, identified: Identified) -> Result<Classified, Rejection> {
        let Identified { arrived, caller } = identified;
        let Arrived { passage } = arrived;
        let Origin { method, target, headers, .. } = &*passage.origin;
        let policy = &passage.snapshot.policy;
        let call = Call::read(&policy.catalogue, method.as_str(), target.as_str())?;
        let endpoint = policy.catalogue.endpoint(call.endpoint()).ok_or(Rejection::UnknownEndpoint)?;
        passage.trail.facts().endpoint = Some(call.endpoint());
        let named = named(&policy.nicknames, headers.get(NICKNAME), call.base_nickname())?;
        let answer = answer_type(endpoint.answers, endpoint.method, headers)?;
        let page = if endpoint.paged { page(headers)? } else { None };
        Ok(Classified { passage, caller, call, named, answer, page })
    }
}

/// Which nickname a header or base path names.
///
/// # Errors
/// When both do, and differ.
pub(crate) fn named(
    nicknames: &Nicknames,
    header: Option<&http::HeaderValue>,
    base: Option<&str>,
) -> Result<Named, Rejection> {
    let header = header.map(|value| value.to_str().unwrap_or_default());
    if let (Some(header), Some(base)) = (header, base)
        && !header.eq_ignore_ascii_case(base)
    {
        return Err(Rejection::Malformed(Malformed::TwoNicknames));
    }
    Ok(match header.or(base) {
        None => Named::Nothing,
        Some(name) => nicknames.find(name).map_or(Named::Undeclared, Named::Nickname),
    })
}

/// The page asked for. ClickBank counts from 1, and takes the number from a header.
fn page(headers: &HeaderMap) -> Result<Option<NonZeroU32>, Rejection> {
    let Some(value) = headers.get("page") else { return Ok(None) };
    let digits =
        value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0'));
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(page) => Ok(Some(page)),
        None => Err(Rejection::Malformed(Malformed::Header("Page"))),
    }
}

/// The type to ask ClickBank for: the one that the caller likes best among those that the endpoint produces, XML where
/// the caller likes several equally well, as ClickBank itself does. `None` where answers have no body.
///
/// # Errors
/// When the caller accepts none of them.
fn answer_type(produced: AnswerTypes, method: Method, headers: &HeaderMap) -> Result<Option<AnswerType>, Rejection> {
    if method == Method::Head || !(produced.json || produced.xml || produced.text) {
        return Ok(None);
    }
    let candidates =
        [(produced.xml, AnswerType::Xml), (produced.json, AnswerType::Json), (produced.text, AnswerType::Text)];
    let candidates = candidates.into_iter().filter(|(produced, _)| *produced).map(|(_, answer)| answer);
    let mut best: Option<(Liking, AnswerType)> = None;
    for answer in candidates {
        let liking = liking(headers, answer)?;
        if best.is_none_or(|(best, _)| liking > best) {
            best = Some((liking, answer));
        }
    }
    match best {
        Some((liking, answer)) if liking.quality > 0 => Ok(Some(answer)),
        // A bare count is the same digits in every type, and there are clients that send one Accept with every call.
        _ if produced.text && !produced.json && liking(headers, AnswerType::Json)?.quality > 0 => {
            Ok(Some(AnswerType::Text))
        }
        _ => Err(Rejection::NotAcceptable(produced)),
    }
}

/// How well the caller likes a type. Of equal qualities the one that was named wins over the one that a wildcard covers:
/// `application/json, text/plain, */*` asks for JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Liking {
    /// In thousandths.
    quality: u16,
    specificity: u8,
}

/// What the most specific media range (RFC 9110 §12.5.1) that covers a type says of it. Without Accept all types are
/// liked equally well.
fn liking(headers: &HeaderMap, answer: AnswerType) -> Result<Liking, Rejection> {
    let malformed = || Rejection::Malformed(Malformed::Header("Accept"));
    let name = answer.as_str();
    let group = name.split_once('/').map_or("", |(group, _)| group);
    let mut said: Option<(u8, u16)> = None;
    let mut silent = true;
    for value in headers.get_all(ACCEPT) {
        let text = value.to_str().map_err(|_| malformed())?;
        for range in text.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            silent = false;
            let (range, parameters) = range.split_once(';').unwrap_or((range, ""));
            let range = range.trim_end();
            let quality = parameters
                .split(';')
                .filter_map(|parameter| parameter.split_once('='))
                .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
                .map_or(Some(1_000), |(_, quality)| thousandths(quality.trim()))
                .ok_or_else(malformed)?;
            let alias = answer == AnswerType::Xml && range.eq_ignore_ascii_case("text/xml");
            let specificity = if alias || range.eq_ignore_ascii_case(name) {
                2
            } else if range.strip_suffix("/*").is_some_and(|other| other.eq_ignore_ascii_case(group)) {
                1
            } else if range == "*/*" || range == "*" {
                0
            } else {
                continue;
            };
            said = said.max(Some((specificity, quality)));
        }
    }
    let (specificity, quality) = said.unwrap_or((0, if silent { 1_000 } else { 0 }));
    Ok(Liking { quality, specificity })
}

/// A quality value (RFC 9110 §12.4.2), in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let fraction = digits.fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    match whole {
        "0" => Some(fraction),
        // Java's HttpURLConnection writes `q=.2`.
        "" if text.len() > 1 => Some(fraction),
        "1" if fraction == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: AnswerTypes = AnswerTypes { json: true, xml: true, text: false, csv: false };
    const COUNT: AnswerTypes = AnswerTypes { json: false, xml: false, text: true, csv: false };

    fn chosen(produced: AnswerTypes, accept: &[&str]) -> Option<AnswerType> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, value.parse().unwrap());
        }
        answer_type(produced, Method::Get, &headers).ok().flatten()
    }

    #[test]
    fn the_answer_is_of_the_type_that_the_caller_likes_best() {
        use AnswerType::{Json, Text, Xml};
        for (produced, accept, expected) in [
            (BOTH, &[][..], Some(Xml)),
            (BOTH, &["*/*"], Some(Xml)),
            (BOTH, &["application/json"], Some(Json)),
            (BOTH, &["Application/JSON; charset=utf-8"], Some(Json)),
            (BOTH, &["application/xml;q=0.5, application/json;q=0.6"], Some(Json)),
            (BOTH, &["application/xml;q=0.5", "application/json;q=0.4"], Some(Xml)),
            (BOTH, &["application/json, text/plain, */*"], Some(Json)),
            (BOTH, &["text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"], Some(Xml)),
            (BOTH, &["text/html, */*; q=0.2"], Some(Xml)),
            (BOTH, &["text/xml"], Some(Xml)),
            (BOTH, &["application/*;q=0.1, application/xml;q=0"], Some(Json)),
            (BOTH, &["text/csv"], None),
            (BOTH, &["application/json;q=2"], None),
            (COUNT, &[], Some(Text)),
            (COUNT, &["text/plain"], Some(Text)),
            (COUNT, &["application/json"], Some(Text)),
            (COUNT, &["application/xml"], None),
        ] {
            assert_eq!(chosen(produced, accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn what_has_no_body_is_asked_for_in_no_type() {
        let nothing = AnswerTypes { json: false, xml: false, text: false, csv: false };
        let mut headers = HeaderMap::new();
        for accept in ["application/json", "text/html"] {
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(answer_type(BOTH, Method::Head, &headers), Ok(None));
            assert_eq!(answer_type(nothing, Method::Get, &headers), Ok(None));
            assert_eq!(answer_type(nothing, Method::Head, &headers), Ok(None));
        }
    }

    #[test]
    fn a_quality_is_read_as_the_grammar_has_it() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0.", Some(0)),
            ("0.5", Some(500)),
            ("0.25", Some(250)),
            ("0.123", Some(123)),
            ("0.999", Some(999)),
            ("1", Some(1_000)),
            ("1.", Some(1_000)),
            ("1.000", Some(1_000)),
            (".2", Some(200)),
            ("", None),
            (".", None),
            ("0.1234", None),
            ("0.12a", None),
            ("0.a", None),
            ("1.001", None),
            ("1.1", None),
            ("2", None),
            ("01", None),
            ("-0", None),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
    }

    #[test]
    fn pages_are_counted_from_one() {
        for (value, expected) in [
            ("1", Ok(1)),
            ("27", Ok(27)),
            ("0", Err(())),
            ("-1", Err(())),
            ("01", Err(())),
            ("1 ", Ok(1)),
            ("+1", Err(())),
            ("", Err(())),
            ("4294967296", Err(())),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("page", value.trim().parse().unwrap());
            assert_eq!(page(&headers).map(|page| page.unwrap().get()).map_err(|_| ()), expected, "{value}");
        }
    }
}
