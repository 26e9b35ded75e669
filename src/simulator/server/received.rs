//! The record of what arrived, byte for byte where it matters.

use std::collections::VecDeque;
use std::fmt;

/// A request as it arrived. It holds the key that was sent; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// The number of the connection, counted from 1 in the order they were accepted.
    pub connection: u64,
    /// Such as `TLS 1.3`.
    pub tls_version: &'static str,
    /// The method.
    pub method: String,
    /// The target as it stood on the request line.
    pub target: String,
    /// Every header field in order, its name spelt as it was sent.
    pub headers: Vec<(String, String)>,
    /// How many bytes of body came, after any transfer coding was undone.
    pub body_bytes: usize,
    /// The head byte for byte, from the request line to the empty line.
    pub raw_head: Vec<u8>,
    /// The name of the key in `Authorization`, if it is one of the simulator's.
    pub key: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What the simulator did with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The world answered.
    Answered,
    /// It was over a limit.
    Limited,
    /// The fault of this number acted.
    Faulted(u64),
}

impl Received {
    /// Reads the head of a request, from the request line to the empty line. hyper has accepted it before, so what
    /// cannot be read here stays empty.
    pub(super) fn read(connection: u64, tls_version: &'static str, raw_head: Vec<u8>, body_bytes: usize) -> Self {
        let head = String::from_utf8_lossy(&raw_head);
        let mut lines = head.lines().skip_while(|line| line.is_empty());
        let mut request_line = lines.next().unwrap_or_default().split(' ');
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        let method = request_line.next().unwrap_or_default().to_owned();
        let target = request_line.next().unwrap_or_default().to_owned();
        let headers = headers.collect();
        let outcome = Outcome::Answered;
        Self { connection, tls_version, method, target, headers, body_bytes, raw_head, key: None, outcome }
    }

    /// The first value of the header `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_values(name).first().copied()
    }

    /// Every value of the header `name`, in order.
    #[must_use]
    pub fn header_values(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

/// Shows the names of headers without their values, and of the head nothing more.
impl fmt::Debug for Received {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        formatter
            .debug_struct("Received")
            .field("connection", &self.connection)
            .field("tls_version", &self.tls_version)
            .field("method", &self.method)
            .field("target", &self.target)
            .field("headers", &names)
            .field("body_bytes", &self.body_bytes)
            .field("key", &self.key)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// The last requests.
pub(super) struct Log {
    entries: VecDeque<Received>,
    kept: usize,
}

impl Log {
    pub(super) fn keeping(kept: usize) -> Self {
        Self { entries: VecDeque::new(), kept }
    }

    pub(super) fn push(&mut self, received: Received) {
        self.entries.push_back(received);
        while self.entries.len() > self.kept {
            self.entries.pop_front();
        }
    }

    pub(super) fn entries(&self) -> Vec<Received> {
        self.entries.iter().cloned().collect()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] =
        b"GET /rest/1.3/debug?x=1 HTTP/1.1\r\nhOST: a\r\nAuthorization: API-SECRET\r\nX:  1\r\nx: 2\r\n\r\n";

    #[test]
    fn a_head_is_kept_as_it_was_sent() {
        let received = Received::read(3, "TLS 1.3", HEAD.to_vec(), 0);
        assert_eq!(received.method, "GET");
        assert_eq!(received.target, "/rest/1.3/debug?x=1");
        assert_eq!(received.headers[0], ("hOST".to_owned(), "a".to_owned()));
        assert_eq!(received.header_values("X"), ["1", "2"]);
        assert_eq!(received.header("authorization"), Some("API-SECRET"));
        assert_eq!(received.raw_head, HEAD);
        let shown = format!("{received:?}");
        // Neither as text nor as a list of bytes.
        assert!(!shown.contains("SECRET") && !shown.contains("raw_head") && !shown.contains("83, 69, 67"), "{shown}");
    }

    #[test]
    fn empty_lines_before_a_request_are_passed_over() {
        let received = Received::read(1, "TLS 1.3", b"\r\n\nGET /a HTTP/1.1\nHost: a\n\n".to_vec(), 0);
        assert_eq!((received.method.as_str(), received.target.as_str()), ("GET", "/a"));
        assert_eq!(received.header("host"), Some("a"));
    }

    #[test]
    fn only_the_last_requests_are_kept() {
        let mut log = Log::keeping(2);
        for connection in 1..=3 {
            log.push(Received::read(connection, "TLS 1.3", HEAD.to_vec(), 0));
        }
        let kept: Vec<u64> = log.entries().iter().map(|entry| entry.connection).collect();
        assert_eq!(kept, [2, 3]);
    }
}
