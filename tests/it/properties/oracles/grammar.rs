//! What a head of HTTP/1 is, and what a target that goes to ClickBank is, thought out a second time: byte by byte, from
//! the RFCs and the design, with no regard to speed. Nothing here calls the gateway's own readers; of the catalogue it
//! takes the facts.

use clickbank_gateway::domain::catalogue::{Catalogue, ExtraParameter};
use clickbank_gateway::domain::endpoint::{Endpoint, EndpointId};

/// A head, in parts.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    /// Bytes of the head, its empty line and an empty line before it included.
    pub(crate) length: usize,
    /// The request line, or the status line.
    pub(crate) first: &'a [u8],
    /// Names and values, the latter without the white space around them.
    pub(crate) fields: Vec<(&'a [u8], &'a [u8])>,
}

impl Head<'_> {
    /// Whether a body is announced, if what announces it leaves no doubt.
    pub(crate) fn body(&self, is_1_1: bool) -> Option<bool> {
        let lengths: Vec<_> = self.named("content-length").collect();
        let codings: Vec<_> = self.named("transfer-encoding").collect();
        match (&lengths[..], &codings[..]) {
            ([], []) => Some(false),
            ([length], []) => {
                let digits = !length.is_empty() && length.len() <= 19 && length.iter().all(u8::is_ascii_digit);
                digits.then(|| length.iter().any(|digit| *digit != b'0'))
            }
            ([], [coding]) => (is_1_1 && coding.eq_ignore_ascii_case(b"chunked")).then_some(true),
            _ => None,
        }
    }

    /// The values of a field.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.fields
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| *value)
    }
}

/// Where `part` first stands.
pub(crate) fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// Takes a complete head apart, if its lines and fields are well-formed and it has at most so many bytes and fields.
pub(crate) fn head(bytes: &[u8], leading_line: bool, most: usize, fits: fn(&[u8], u8) -> bool) -> Option<Head<'_>> {
    let skipped = if leading_line && bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let end = find(&bytes[skipped..], b"\r\n\r\n")?;
    let length = skipped + end + 4;
    let mut text = &bytes[skipped..skipped + end];
    let mut lines = Vec::new();
    while let Some(at) = find(text, b"\r\n") {
        lines.push(&text[..at]);
        text = &text[at + 2..];
    }
    lines.push(text);
    if length > most || lines.len() > 65 || lines.iter().any(|line| line.contains(&b'\r') || line.contains(&b'\n')) {
        return None;
    }
    let mut fields = Vec::new();
    for line in &lines[1..] {
        let (name, value) = line.split_at(find(line, b":")?);
        let mut value = &value[1..];
        while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
            value = rest;
        }
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) || !value.iter().all(|byte| fits(name, *byte)) {
            return None;
        }
        fields.push((name, value));
    }
    Some(Head { length, first: lines[0], fields })
}

/// RFC 9110 §5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte)
}

/// What no head may hold: control characters other than tab.
pub(crate) fn is_control(byte: u8) -> bool {
    byte == 0x7f || (byte < 0x20 && byte != b'\t')
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".contains(&byte)
}

/// A target that went out, as read here.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The endpoint that its path means.
    pub(crate) endpoint: EndpointId,
    /// Names and decoded values.
    pub(crate) pairs: Vec<(String, String)>,
}

/// Fails unless `method` and `target` may go to ClickBank. Each rule is one that the design or the RFC has.
pub(crate) fn check_sent(catalogue: &Catalogue, method: &str, target: &str) -> Sent {
    let bytes = target.as_bytes();
    assert!(bytes.len() <= 2_000, "{} characters: {target}", bytes.len());
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    assert!(path.bytes().all(|byte| byte == b'/' || is_unreserved(byte)), "a character no path needs: {path}");
    let segments = path.strip_prefix("/rest/1.3/").unwrap_or_else(|| panic!("not below /rest/1.3: {path}"));
    let segments: Vec<&str> = segments.split('/').collect();
    assert!(!segments.iter().any(|segment| matches!(*segment, "" | "." | "..")), "a segment that vanishes: {path}");

    let meant = catalogue.iter().filter(|(_, endpoint)| endpoint.method.as_str() == method);
    let meant = meant.filter(|(_, endpoint)| path_matches(&endpoint.path.to_string(), &segments));
    // Of several templates the one with a literal where the others first vary.
    let (endpoint, known) = meant
        .min_by_key(|(_, endpoint)| endpoint.path.to_string().split('/').map(is_variable).collect::<Vec<_>>())
        .unwrap_or_else(|| panic!("no endpoint is {method} {path}"));
    assert_ne!(segments[0].to_ascii_lowercase(), "debug", "the one that repeats the credential");

    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.map(|query| query.split('&')).into_iter().flatten() {
        let (name, value) = pair.split_once('=').unwrap_or_else(|| panic!("no pair: {pair:?} in {target}"));
        assert!(!name.is_empty() && name.bytes().all(is_unreserved), "no plain name: {name:?} in {target}");
        let value = decode_canonical(value).unwrap_or_else(|| panic!("not canonical: {pair:?} in {target}"));
        check_pair(catalogue, endpoint, known, name, &value, pairs.iter().any(|(other, _)| other == name));
        pairs.push((name.to_owned(), value));
    }
    Sent { endpoint, pairs }
}

fn check_pair(catalogue: &Catalogue, endpoint: EndpointId, known: &Endpoint, name: &str, value: &str, again: bool) {
    assert!(!value.contains("cbgw_"), "a key of ours: {name}={value:?}");
    let Some(position) = known.parameters.iter().position(|parameter| parameter.name == name) else {
        assert_eq!(catalogue.extra_parameter(endpoint, name), Some(ExtraParameter::Forward), "an unknown name: {name}");
        assert!(!again, "{name} stands twice");
        assert!(!value.chars().any(char::is_control), "a control character: {name}={value:?}");
        return;
    };
    let parameter = &known.parameters[position];
    assert!(!again || parameter.repeats, "{name} stands twice");
    let line_breaks = if parameter.prose { "\t\r\n" } else { "" };
    let allowed = |character: char| !character.is_control() || line_breaks.contains(character);
    assert!(value.chars().all(allowed), "a control character: {name}={value:?}");
    assert!(
        parameter.values.is_empty() || parameter.values.iter().any(|allowed| allowed == value),
        "a value that is none of the few: {name}={value:?}"
    );
    if known.owner_parameter() == Some(position) {
        let nickname = (1..=32).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
        assert!(nickname && !value.eq_ignore_ascii_case("none"), "no nickname: {name}={value:?}");
    }
}

fn is_variable(segment: &str) -> bool {
    segment.starts_with('{')
}

/// Whether the segments of a path, in canonical spelling, are what a template such as `/orders2/{receipt}` means.
fn path_matches(template: &str, segments: &[&str]) -> bool {
    let template: Vec<&str> = template.split('/').skip(1).collect();
    template.len() == segments.len()
        && template.iter().zip(segments).all(|(template, segment)| match *template {
            "{receipt}" => is_receipt(segment),
            "{id}" => {
                (1..=18).contains(&segment.len())
                    && segment.bytes().all(|byte| byte.is_ascii_digit())
                    && !segment.starts_with('0')
            }
            "{role}" => ["VENDOR", "AFFILIATE"].contains(segment),
            "{dimension}" => [
                "AFFILIATE",
                "CUSTOMER_COUNTRY",
                "CUSTOMER_CURRENCY",
                "CUSTOMER_LANGUAGE",
                "CUSTOMER_PROVINCE",
                "PRODUCT_SKU",
                "TRACKING_ID",
                "VENDOR",
                "VENDOR_CATEGORY",
                "VENDOR_PRODUCT_SKU",
            ]
            .contains(segment),
            variable if is_variable(variable) => {
                (1..=64).contains(&segment.len())
                    && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            }
            literal => literal == *segment,
        })
}

/// Eight letters and digits; a rebill adds `-B` and three or four digits.
fn is_receipt(text: &str) -> bool {
    let word = |text: &[u8]| text.iter().all(u8::is_ascii_alphanumeric);
    match text.as_bytes() {
        bytes @ [_, _, _, _, _, _, _, _] => word(bytes),
        [base @ .., b'-', b'B', a, b, c] if base.len() == 8 => {
            word(base) && [a, b, c].iter().all(|d| d.is_ascii_digit())
        }
        [base @ .., b'-', b'B', a, b, c, d] if base.len() == 8 => {
            word(base) && [a, b, c, d].iter().all(|d| d.is_ascii_digit())
        }
        _ => false,
    }
}

/// Decodes a value in which exactly what has to be encoded is, with upper-case digits.
fn decode_canonical(value: &str) -> Option<String> {
    let decoded = decode(value.as_bytes(), false)?;
    let spelled: String = decoded
        .iter()
        .map(|byte| if is_unreserved(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    String::from_utf8(decoded).ok().filter(|_| spelled == value)
}

fn decode(value: &[u8], plus_is_space: bool) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut rest = value;
    loop {
        rest = match rest {
            [] => return Some(decoded),
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digits = [*high, *low];
                decoded.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                rest
            }
            [b'%', ..] => return None,
            [b'+', rest @ ..] if plus_is_space => {
                decoded.push(b' ');
                rest
            }
            [byte, rest @ ..] => {
                decoded.push(*byte);
                rest
            }
        };
    }
}

/// The pairs of a query as a form's, decoded; `None` when some pair is not one, or does not decode.
pub(crate) fn form_pairs(query: &str) -> Option<Vec<(String, String)>> {
    let pairs = query.split('&').filter(|_| !query.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.to_owned(), String::from_utf8(decode(value.as_bytes(), true)?).ok()?))
    });
    pairs.collect()
}
