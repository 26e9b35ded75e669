//! A connection to ClickBank as the HTTP library sees it: heads of answers that are beyond doubt, none of them interim,
//! and nothing before it was asked for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, BytesMut};
use hyper_util::client::legacy::connect::{Connected, Connection};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http1::answer::{Fault, HeadReader, MAX_HEAD, MAX_INTERIM};

use super::super::depart::Departure;

/// Bytes asked for at a time while a head is read.
const PIECE: usize = 8 << 10;

/// What a connection has been used for.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses(Arc<Used>);

#[derive(Debug, Default)]
struct Used {
    requests: AtomicU32,
    /// Whether a byte has come since the last request.
    answered: AtomicBool,
}

impl Uses {
    /// Whether it carried another request before the last one, and brought nothing for the last one: it may have been dead
    /// already.
    pub(super) fn may_have_been_dead(&self) -> bool {
        self.0.requests.load(Ordering::Relaxed) > 1 && self.is_unanswered()
    }

    /// Whether it brought nothing for the last request.
    pub(super) fn is_unanswered(&self) -> bool {
        !self.0.answered.load(Ordering::Relaxed)
    }

    fn ask(&self) {
        self.0.answered.store(false, Ordering::Relaxed);
        self.0.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn hear(&self) {
        self.0.answered.store(true, Ordering::Relaxed);
    }
}

/// Something was in the way of an answer before the answer to it was asked for.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("bytes came that nobody asked for")]
pub(super) struct Surplus;

/// What comes next on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Nothing, until something is asked for.
    Nothing,
    /// The head of an answer.
    Head,
    /// What follows a head. Where it ends is the library's to find out.
    Body,
}

/// A connection, screened.
pub(super) struct Wire<S> {
    stream: S,
    uses: Uses,
    next: Next,
    /// Bytes that have been read and not yet handed on.
    heard: BytesMut,
    /// A head on its way to the library.
    head: BytesMut,
    reader: HeadReader,
    interim: usize,
    /// Bytes of heads of interim answers.
    passed_over: usize,
    /// Of a change: whether its first byte may go out.
    departure: Option<Departure>,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            uses: Uses::default(),
            next: Next::Nothing,
            heard: BytesMut::new(),
            head: BytesMut::new(),
            reader: HeadReader::default(),
            interim: 0,
            passed_over: 0,
            departure: None,
        }
    }

    /// For one change, whose first byte goes out only if it may.
    pub(super) fn for_change(self, departure: Departure) -> Self {
        Self { departure: Some(departure), ..self }
    }

    /// Writes, if what is written may go out.
    fn write<T>(&mut self, write: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>>
    where
        S: Unpin,
    {
        let stream = Pin::new(&mut self.stream);
        match &self.departure {
            None => write(stream),
            Some(departure) => departure.go(|| write(stream)).map_err(io::Error::other)?,
        }
    }

    /// The library writes. It does so only once it has the whole answer to what it wrote before, so a request begins.
    fn begin(&mut self, context: &mut Context<'_>) -> io::Result<()>
    where
        S: AsyncRead + Unpin,
    {
        if self.next == Next::Head {
            return Ok(());
        }
        self.uses.ask();
        // What is there by now, be it bytes or the end, came before the request and is no answer to it.
        if self.heard.is_empty() && self.head.is_empty() {
            match self.poll_hear(context)? {
                Poll::Ready(0) => return Err(io::ErrorKind::ConnectionReset.into()),
                Poll::Ready(_) => return Err(io::Error::other(Surplus)),
                Poll::Pending => {}
            }
        } else {
            return Err(io::Error::other(Surplus));
        }
        self.next = Next::Head;
        self.reader = HeadReader::default();
        (self.interim, self.passed_over) = (0, 0);
        Ok(())
    }

    /// Reads a piece; says how many bytes it has.
    fn poll_hear(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        S: AsyncRead + Unpin,
    {
        self.heard.reserve(PIECE);
        let mut piece = (&mut self.heard).limit(PIECE);
        tokio_util::io::poll_read_buf(Pin::new(&mut self.stream), context, &mut piece)
    }

    /// Moves a head that is there whole to where it is handed on from. `false` when more has to come.
    fn take_head(&mut self) -> Result<bool, Fault> {
        while let Some(head) = self.reader.read(&self.heard)? {
            self.reader = HeadReader::default();
            self.head = self.heard.split_to(head.length);
            self.passed_over += head.length;
            if self.passed_over > MAX_HEAD {
                return Err(Fault::TooLarge);
            }
            if head.interim {
                self.head.clear();
                self.interim += 1;
                if self.interim > MAX_INTERIM {
                    return Err(Fault::Interim);
                }
                continue;
            }
            if self.interim > 0 {
                // Programs differ about which answer belongs to which request after these, so this is the last one.
                self.head.truncate(self.head.len().saturating_sub(2));
                self.head.extend_from_slice(b"Connection: close\r\n\r\n");
            }
            self.next = Next::Body;
            return Ok(true);
        }
        Ok(false)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.next == Next::Head && !this.take_head().map_err(io::Error::other)? {
            if ready!(this.poll_hear(context))? == 0 {
                return Poll::Ready(Ok(()));
            }
            this.uses.hear();
        }
        let there = if this.head.is_empty() { &mut this.heard } else { &mut this.head };
        if there.is_empty() {
            return Pin::new(&mut this.stream).poll_read(context, out);
        }
        let length = there.len().min(out.remaining());
        out.put_slice(there.get(..length).unwrap_or_default());
        there.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.begin(context)?;
        self.write(|stream| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.begin(context)?;
        self.write(|stream| stream.poll_write_vectored(context, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: Connection> Connection for Wire<S> {
    fn connected(&self) -> Connected {
        self.stream.connected().extra(self.uses.clone())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    fn wire() -> (DuplexStream, Wire<DuplexStream>) {
        let (upstream, stream) = duplex(100_000);
        (upstream, Wire::new(stream))
    }

    /// What the library reads once it has asked, when the upstream sends `bytes` and then nothing.
    async fn answered(bytes: &str) -> Result<String, Option<Fault>> {
        let (mut upstream, mut wire) = wire();
        wire.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        upstream.write_all(bytes.as_bytes()).await.unwrap();
        drop(upstream);
        let mut read = String::new();
        match wire.read_to_string(&mut read).await {
            Ok(_) => Ok(read),
            Err(error) => Err(error.get_ref().and_then(|error| error.downcast_ref::<Fault>()).copied()),
        }
    }

    const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";

    #[tokio::test]
    async fn an_answer_passes_as_it_is() {
        for body in ["", "ok", "ok and more\n\0"] {
            let bytes = format!("{ANSWER}{body}");
            assert_eq!(answered(&bytes).await, Ok(bytes));
        }
    }

    #[tokio::test]
    async fn interim_answers_are_passed_over_and_make_the_connections_last_request_of_this_one() {
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
        let closing = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".to_owned();
        assert_eq!(answered(&format!("{}{ANSWER}ok", interim.repeat(MAX_INTERIM))).await, Ok(closing));
        let many = format!("{}{ANSWER}ok", interim.repeat(MAX_INTERIM + 1));
        assert_eq!(answered(&many).await, Err(Some(Fault::Interim)));
        let large = format!("HTTP/1.1 100 Continue\r\nX: {}\r\n\r\n", "y".repeat(20_000)).repeat(2);
        assert_eq!(answered(&large).await, Err(Some(Fault::TooLarge)));
    }

    #[tokio::test]
    async fn an_ambiguous_head_never_reaches_the_library() {
        for head in [
            "HTTP/1.1 200 OK\nContent-Length: 2\n\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert_eq!(answered(head).await, Err(Some(Fault::Malformed)), "{head:?}");
        }
        assert_eq!(answered("HTTP/1.1 101 Switching Protocols\r\n\r\n").await, Err(Some(Fault::Interim)));
        assert_eq!(answered("HTTP/1.1 200 OK\r\nX: y").await, Ok(String::new()), "a head that breaks off is no head");
    }

    #[tokio::test]
    async fn a_request_is_not_begun_on_a_connection_that_has_ended() {
        let (mut upstream, mut wire) = wire();
        wire.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        upstream.write_all(ANSWER.as_bytes()).await.unwrap();
        wire.read_exact(&mut vec![0; ANSWER.len()]).await.unwrap();
        drop(upstream);
        let refused = wire.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionReset);
        assert!(wire.uses.may_have_been_dead());
    }

    #[tokio::test]
    async fn a_request_is_not_begun_behind_bytes_that_nobody_asked_for() {
        let (mut upstream, mut wire) = wire();
        wire.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        upstream.write_all(format!("{ANSWER}ok{ANSWER}ok").as_bytes()).await.unwrap();
        let mut answer = vec![0; ANSWER.len() + 2];
        wire.read_exact(&mut answer).await.unwrap();
        assert!(!wire.uses.may_have_been_dead());
        let refused = wire.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap_err();
        assert!(wire.uses.may_have_been_dead(), "it brought nothing for this one");
        assert!(refused.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Surplus>));
        let mut sent = Vec::new();
        drop(wire);
        upstream.read_to_end(&mut sent).await.unwrap();
        assert_eq!(sent, b"GET / HTTP/1.1\r\n\r\n");
    }
}
