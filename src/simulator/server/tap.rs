//! A tap on a connection: it remembers the bytes that hyper has read, because hyper does not keep the order and
//! spelling of header fields.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::lock;

/// The most bytes that are remembered; requests of clients of ours are far smaller.
const MOST_BYTES: usize = 1024 * 1024;

/// The bytes read and not yet taken.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    /// Takes the head of the request at the front, its empty line included.
    pub(super) fn take_head(&self) -> Vec<u8> {
        const END: &[u8] = b"\r\n\r\n";
        let mut heard = lock(&self.0);
        let end =
            heard.windows(END.len()).position(|window| window == END).map_or(heard.len(), |start| start + END.len());
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
}

impl<S> Tap<S> {
    pub(super) fn new(stream: S, heard: Heard) -> Self {
        Self { stream, heard }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
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
}
