//! The target of a request, read as leniently as a JAX-RS application behind a servlet container reads it.
//!
//! What follows is JSR-311 where ClickBank documents only "JSR-311":
//!
//! * Matrix parameters (`;x=y` after a segment) are no part of the segment.
//! * Literals are matched against the path as sent; values are percent-decoded afterwards, invalid sequences left as
//!   they are.
//! * A parameter that occurs more than once has its first value. Unknown parameters are ignored.
//!
//! And this is what servlet containers commonly do: empty segments vanish (so a trailing slash is tolerated),
//! `.` and `..` are resolved, `+` in the query is a space.

use percent_encoding::percent_decode_str;

/// A path in segments, and a query.
pub(crate) struct Target {
    segments: Vec<String>,
    query: Query,
}

impl Target {
    /// Reads a target as sent. Every text is one.
    pub(crate) fn read(raw: &str) -> Self {
        let (path, query) = raw.split_once('?').unwrap_or((raw, ""));
        let mut segments: Vec<String> = Vec::new();
        for segment in path.split('/') {
            let (segment, _matrix) = segment.split_once(';').unwrap_or((segment, ""));
            match segment {
                "" | "." => {}
                ".." => {
                    segments.pop();
                }
                _ => segments.push(segment.to_owned()),
            }
        }
        Self { segments, query: Query::read(query) }
    }

    /// The segments of the path, not decoded.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The query.
    pub(crate) fn query(&self) -> &Query {
        &self.query
    }
}

/// The value that a path segment stands for.
pub(crate) fn decode_segment(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// The parameters of a query, decoded, in order.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    fn read(raw: &str) -> Self {
        let decode = |text: &str| decode_segment(&text.replace('+', " "));
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(pairs.collect())
    }

    /// The first value of the parameter `name`.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The first value of the parameter `name`, unless that is empty.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.first(name).filter(|value| !value.is_empty())
    }

    /// Every value of the parameter `name`, for the few parameters that may be repeated.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_leniently() {
        for raw in [
            "/rest/1.3/orders2/list",
            "/rest/1.3/orders2/list/",
            "/rest/1.3/orders2/list;a=b?x=1",
            "/rest;v=2/1.3/orders2;a/list;b=c/",
            "//rest/1.3/./orders2//list",
            "/rest/1.3/debug/../orders2/list",
        ] {
            let target = Target::read(raw);
            assert_eq!(target.segments(), ["rest", "1.3", "orders2", "list"], "{raw}");
        }
    }

    #[test]
    fn letters_of_the_path_are_decoded_only_as_values() {
        let target = Target::read("/rest/1.3/%64ebug");
        assert_eq!(target.segments(), ["rest", "1.3", "%64ebug"]);
        assert_eq!(decode_segment("%41BC%2F%zz"), "ABC/%zz");
    }

    #[test]
    fn the_first_value_of_a_parameter_counts() {
        let target = Target::read("/?vendor=ac%6De&vendor=other&na%6De=a+b%2B&&empty=&flag");
        let query = target.query();
        assert_eq!(query.first("vendor"), Some("acme"));
        assert_eq!(query.all("vendor").count(), 2);
        assert_eq!(query.first("name"), Some("a b+"));
        assert_eq!(query.given("empty"), None);
        assert_eq!(query.first("flag"), Some(""));
        assert_eq!(query.first("Vendor"), None);
    }
}
