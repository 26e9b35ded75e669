//! A tap on a connection: it remembers the bytes that hyper has read, because hyper does not keep the order and
//! spelling of header fields.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::lock;

/// The most bytes that are remembered; requests of clients of ours are far smaller.
const MOST_BYTES: usize = 1024 * 1024;

/// The bytes read and not yet taken.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    /// Takes the head of the request at the front: empty lines before it, and the one that ends it, included.
    ///
    /// hyper takes LF alone for the end of a line, too.
    pub(super) fn take_head(&self) -> Vec<u8> {
        let mut heard = lock(&self.0);
        let (mut end, mut begun) = (0, false);
        for line in heard.split_inclusive(|byte| *byte == b'\n') {
            end += line.len();
            let is_empty = matches!(line, b"\n" | b"\r\n");
            if is_empty && begun {
                break;
            }
            begun |= !is_empty;
        }
        heard.drain(..end).collect()
    }

    /// Forgets the body at the front, which had `bytes` bytes. Chunked bodies are longer than that on the wire, so
    /// after one everything is forgotten; a request sent ahead of the answer would then be recorded without its head.
    pub(super) fn forget_body(&self, bytes: usize, chunked: bool) {
        let mut heard = lock(&self.0);
        let end = if chunked { heard.len() } else { bytes.min(heard.len()) };
        heard.drain(..end);
    }

    fn hear(&self, bytes: &[u8]) {
        let mut heard = lock(&self.0);
        let room = MOST_BYTES.saturating_sub(heard.len());
        heard.extend(bytes.iter().take(room));
    }
}

/// A stream whose reads are heard.
pub(super) struct Tap<S> {
    stream: S,
    heard: Heard,
    /// What was read, and heard, before, and comes first.
    again: Bytes,
}

impl<S> Tap<S> {
    pub(super) fn new(stream: S, heard: Heard) -> Self {
        Self { stream, heard, again: Bytes::new() }
    }

    /// Gives back bytes that were read from it and not used.
    pub(super) fn give_back(&mut self, bytes: Bytes) {
        self.again = if self.again.is_empty() { bytes } else { [bytes, self.again.clone()].concat().into() };
    }

    pub(super) fn stream(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.again.is_empty() {
            let length = self.again.len().min(buffer.remaining());
            buffer.put_slice(&self.again.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some(read) = buffer.filled().get(before..) {
            self.heard.hear(read);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_taken_one_by_one() {
        let heard = Heard::default();
        heard.hear(b"GET / HTTP/1.1\r\nA: 1\r\n\r\nbodyGET /2 HTTP/1.1\r\n\r\n");
        assert_eq!(heard.take_head(), b"GET / HTTP/1.1\r\nA: 1\r\n\r\n");
        heard.forget_body(4, false);
        assert_eq!(heard.take_head(), b"GET /2 HTTP/1.1\r\n\r\n");
        assert!(heard.take_head().is_empty());
    }

    #[test]
    fn a_head_may_come_late_and_end_its_lines_in_lf_alone() {
        let heard = Heard::default();
        heard.hear(b"\r\n\nGET / HTTP/1.1\nA: 1\r\n\nGET /2 HTTP/1.1\r\n\r\n");
        assert_eq!(heard.take_head(), b"\r\n\nGET / HTTP/1.1\nA: 1\r\n\n");
        assert_eq!(heard.take_head(), b"GET /2 HTTP/1.1\r\n\r\n");
    }

    #[tokio::test]
    async fn what_is_given_back_is_read_first_and_not_heard_again() {
        use tokio::io::AsyncReadExt as _;
        let heard = Heard::default();
        let mut tap = Tap::new(&b" and new"[..], heard.clone());
        tap.give_back(Bytes::from_static(b"older, old"));
        let mut part = [0; 4];
        tap.read_exact(&mut part).await.unwrap();
        tap.give_back(Bytes::copy_from_slice(&part));
        let mut text = String::new();
        tap.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "older, old and new");
        assert_eq!(heard.take_head(), b" and new");
    }
}
