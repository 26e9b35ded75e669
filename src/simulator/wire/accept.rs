//! Which representation an answer takes.

use super::request::Request;

/// A representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/xml`
    Xml,
    /// `application/json`
    Json,
    /// `text/csv`
    Csv,
    /// `text/plain`
    Text,
    /// `text/html`
    Html,
}

impl Format {
    /// The media type, as `Content-Type` shows it.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Xml => "application/xml",
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Text => "text/plain",
            Self::Html => "text/html",
        }
    }
}

/// What an endpoint produces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Produces {
    /// One of these. The first is the default; ClickBank's is XML (seen by one client author).
    OneOf(&'static [Format]),
    /// Always text. Real clients ask for JSON or XML and read a bare number, so both are taken to allow it: a guess.
    TextWhateverIsAsked,
}

impl Produces {
    /// The representation that `request` asks for; none is `406`.
    ///
    /// The highest quality wins, then the most specific range, then the order here.
    pub(crate) fn choose(self, request: &Request) -> Option<Format> {
        let ranges: Vec<Range<'_>> =
            request.header_values("accept").flat_map(|value| value.split(',')).filter_map(Range::read).collect();
        match self {
            Self::OneOf(formats) => best(formats, &ranges),
            Self::TextWhateverIsAsked => {
                let asked = best(&[Format::Text, Format::Xml, Format::Json], &ranges);
                asked.and(Some(Format::Text))
            }
        }
    }
}

fn best(formats: &[Format], ranges: &[Range<'_>]) -> Option<Format> {
    if ranges.is_empty() {
        return formats.first().copied();
    }
    let mut best: Option<((u32, u8), Format)> = None;
    for format in formats {
        let matching = ranges.iter().filter_map(|range| Some((range.specificity(*format)?, range.quality))).max();
        let Some((specificity, quality)) = matching.filter(|(_, quality)| *quality > 0) else {
            continue;
        };
        let rank = (quality, specificity);
        if best.is_none_or(|(other, _)| rank > other) {
            best = Some((rank, *format));
        }
    }
    best.map(|(_, format)| format)
}

/// One media range of `Accept`.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths.
    quality: u32,
}

impl<'a> Range<'a> {
    /// Reads a media range. What is none is ignored.
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().filter(|media| !media.is_empty())?;
        let (kind, subtype) = media.split_once('/').unwrap_or((media, "*"));
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
        Some(Self { kind, subtype, quality })
    }

    /// How closely the range names `format`, if it does.
    fn specificity(&self, format: Format) -> Option<u8> {
        let (kind, subtype) = format.content_type().split_once('/')?;
        if self.kind == "*" {
            Some(0)
        } else if !self.kind.eq_ignore_ascii_case(kind) {
            None
        } else if self.subtype == "*" {
            Some(1)
        } else {
            self.subtype.eq_ignore_ascii_case(subtype).then_some(2)
        }
    }
}

/// A quality value in thousandths; what is none counts as 1.
fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole != "0" || fraction.len() > 3 {
        return 1000;
    }
    format!("{fraction:0<3}").parse().unwrap_or(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: Produces = Produces::OneOf(&[Format::Xml, Format::Json]);

    fn choose(produces: Produces, accept: &str) -> Option<Format> {
        produces.choose(&Request::get("/").with_header("Accept", accept))
    }

    #[test]
    fn xml_is_the_default_and_json_has_to_be_asked_for() {
        assert_eq!(TREE.choose(&Request::get("/")), Some(Format::Xml));
        for (accept, expected) in [
            ("", Some(Format::Xml)),
            ("*/*", Some(Format::Xml)),
            ("application/*", Some(Format::Xml)),
            ("application/json", Some(Format::Json)),
            ("Application/JSON; charset=utf-8", Some(Format::Json)),
            ("application/json, */*", Some(Format::Json)),
            ("application/json, text/plain, */*", Some(Format::Json)),
            ("application/json;q=0.5, application/xml", Some(Format::Xml)),
            ("application/xml;q=0.1, application/json;q=0.2", Some(Format::Json)),
            ("application/json;q=0", None),
            ("text/plain", None),
            ("text/html", None),
        ] {
            assert_eq!(choose(TREE, accept), expected, "{accept}");
        }
    }

    #[test]
    fn bare_counts_of_orders_are_text_whatever_is_asked() {
        for (accept, expected) in [
            ("application/json", Some(Format::Text)),
            ("application/xml", Some(Format::Text)),
            ("text/plain", Some(Format::Text)),
            ("text/*", Some(Format::Text)),
            ("image/png", None),
        ] {
            let chosen = choose(Produces::TextWhateverIsAsked, accept);
            assert_eq!(chosen, expected, "{accept}");
        }
    }
}
