//! A request as it arrived, before anything was understood.

use std::fmt;

use http::Method;

/// A request: method, raw target and headers. A body is never looked at, for ClickBank ignores it.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, exactly as sent.
    pub target: String,
    /// Names and values of the headers, in order.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// A request without headers.
    #[must_use]
    pub fn new(method: Method, target: &str) -> Self {
        Self { method, target: target.to_owned(), headers: Vec::new() }
    }

    /// A `GET` without headers.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new(Method::GET, target)
    }

    /// The same request with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The first value of the header `name`. Later ones are ignored, as frameworks do.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_values(name).next()
    }

    /// Every value of the header `name`, in order.
    pub fn header_values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Shows names of headers without their values: one of them is the key.
impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        formatter
            .debug_struct("Request")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("headers", &names)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_headers_counts_in_any_letter_case() {
        let request = Request::get("/").with_header("page", "2").with_header("Page", "3");
        assert_eq!(request.header("PAGE"), Some("2"));
        assert_eq!(request.header("Accept"), None);
    }

    #[test]
    fn debug_shows_no_header_value() {
        let request = Request::get("/").with_header("Authorization", "API-SECRET");
        assert!(!format!("{request:?}").contains("SECRET"));
    }
}
