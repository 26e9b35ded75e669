//! A caller's connection as the HTTP library sees it: whole heads that are beyond doubt, one at a time, each in time.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::http1::request::{Fault, HeadReader};
use crate::rejection::Rejection;

use super::slots::Slot;

/// How long connections may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// For a head: from its first byte to its last, and for the first one from the connection's beginning.
    pub(crate) head: Duration,
    /// Between requests. Long enough that clients' pools seldom meet a connection that is just being closed.
    pub(crate) idle: Duration,
    /// For a caller to take an answer.
    pub(crate) write: Duration,
    /// For a caller to notice that no more is read of what it sends, so that it gets to read its answer.
    pub(crate) linger: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            write: Duration::from_mins(1),
            linger: Duration::from_secs(2),
        }
    }
}

/// The most bytes that are read, and thrown away, while a connection lingers.
const MOST_LINGERING: usize = 1 << 20;
/// Bytes asked for at a time while a head is read. Most heads are shorter.
const PIECE: usize = 1 << 10;

/// What a refused head is replaced with: the library has to see some request to answer one. Only its method counts,
/// because the answer to HEAD has no body.
const REPLACED: &[u8] = b"X / HTTP/1.1\r\nHost: refused\r\n\r\n";
const REPLACED_HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nHost: refused\r\n\r\n";

/// What a connection and the requests on it tell each other.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    refused: Option<Rejection>,
    answered: bool,
    recognised: bool,
    cut: Option<&'static str>,
}

impl Notes {
    fn noted<T>(&self, act: impl FnOnce(&mut Noted) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why the head of the request that has just come was refused, if it was.
    pub(crate) fn refused(&self) -> Option<Rejection> {
        self.noted(|noted| noted.refused.take())
    }

    /// The request has its answer; whether it came with a key that counts.
    pub(crate) fn answer(&self, recognised: bool) {
        self.noted(|noted| {
            noted.answered = true;
            noted.recognised |= recognised;
        });
    }

    /// Why the connection was cut off, in a word for the log, if that is worth a record.
    pub(crate) fn cut(&self) -> Option<&'static str> {
        self.noted(|noted| noted.cut)
    }
}

/// What comes next on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A head.
    Head,
    /// So many bytes of a head that has been read whole; then perhaps a body.
    Rest { left: usize, body: bool },
    /// A body. Its request is the last one.
    Body,
    /// Nothing that counts.
    Nothing,
}

/// A connection, screened.
pub(crate) struct Screen<S> {
    stream: S,
    slot: Slot,
    notes: Arc<Notes>,
    times: Times,
    /// Bytes that have been read and not yet handed on.
    heard: BytesMut,
    reader: HeadReader,
    next: Next,
    /// Whether a request has been handed on whose answer has not been written whole.
    at_work: bool,
    /// To be woken when the next request may be handed on.
    waker: Option<Waker>,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer is for a head that has begun.
    head_begun: bool,
    write_timer: Option<Pin<Box<Sleep>>>,
    lingering: Option<usize>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Screen<S> {
    pub(crate) fn new(stream: S, mut slot: Slot, times: Times) -> Self {
        slot.wait();
        Self {
            stream,
            slot,
            notes: Arc::default(),
            times,
            heard: BytesMut::new(),
            reader: HeadReader::default(),
            next: Next::Head,
            at_work: false,
            waker: None,
            timer: Box::pin(sleep(times.head)),
            head_begun: true,
            write_timer: None,
            lingering: None,
        }
    }

    pub(crate) fn notes(&self) -> Arc<Notes> {
        Arc::clone(&self.notes)
    }

    /// Waits for a request whose head is there whole. `false` when the connection ends without one. Until then the HTTP
    /// library, which takes far more memory, need not be there.
    pub(crate) async fn request(&mut self) -> bool {
        std::future::poll_fn(|context| self.poll_request(context)).await.unwrap_or(false)
    }

    /// Ready with `true` when there are bytes to hand on.
    fn poll_request(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if self.next != Next::Head {
                return Poll::Ready(Ok(true));
            }
            if self.at_work {
                // What wakes this when the answer has been written: the timer, and what the caller sends. So nothing need
                // be woken for a caller that sends nothing for now.
                while self.timer.as_mut().poll(context).is_ready() {
                    self.timer.as_mut().reset(Instant::now() + self.times.idle);
                }
                // Whoever hangs up shows here. A request that comes early waits.
                if self.heard.is_empty() && !ready!(self.poll_hear(context))? {
                    return Poll::Ready(Ok(false));
                }
                self.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            match self.reader.read(&self.heard) {
                Ok(Some(head)) => {
                    self.next = Next::Rest { left: head.length, body: head.body };
                    self.begin()?;
                }
                Ok(None) => {
                    if !self.heard.is_empty() && !self.head_begun {
                        self.head_begun = true;
                        self.timer.as_mut().reset(Instant::now() + self.times.head);
                    }
                    match self.poll_hear(context)? {
                        Poll::Ready(true) => {}
                        Poll::Ready(false) => return Poll::Ready(Ok(false)),
                        Poll::Pending => {
                            // Only now: a connection that waits may have to go, and this one could have asked already.
                            self.slot.wait();
                            ready!(self.timer.as_mut().poll(context));
                            // Whoever has not begun a request has nothing to be told, and nobody to tell of it.
                            if !self.heard.is_empty() {
                                return Poll::Ready(Err(self.cut("head-too-slow")));
                            }
                            return Poll::Ready(Ok(false));
                        }
                    }
                }
                Err(Fault::Foreign(protocol)) => {
                    self.next = Next::Nothing;
                    self.heard.clear();
                    return Poll::Ready(Err(self.cut(protocol)));
                }
                Err(Fault::Refused(rejection)) => {
                    self.notes.noted(|noted| noted.refused = Some(rejection));
                    let begin = self.heard.strip_prefix(b"\r\n").unwrap_or(&self.heard);
                    let stands_in = if begin.starts_with(b"HEAD ") { REPLACED_HEAD } else { REPLACED };
                    self.heard.clear();
                    self.heard.extend_from_slice(stands_in);
                    self.next = Next::Rest { left: stands_in.len(), body: true };
                    self.begin()?;
                }
            }
        }
    }

    /// A request is handed on from here.
    fn begin(&mut self) -> io::Result<()> {
        if !self.slot.work() {
            return Err(self.cut("spared"));
        }
        self.reader = HeadReader::default();
        self.at_work = true;
        Ok(())
    }

    /// The answer has been written whole.
    fn finish(&mut self) {
        let (answered, recognised) = self.notes.noted(|noted| (std::mem::take(&mut noted.answered), noted.recognised));
        if !answered {
            return;
        }
        self.at_work = false;
        if recognised {
            self.slot.recognise();
        }
        self.head_begun = false;
        self.timer.as_mut().reset(Instant::now() + self.times.idle);
        match self.waker.take() {
            Some(waker) => waker.wake(),
            None if self.heard.is_empty() && self.next == Next::Head => self.slot.wait(),
            None => {}
        }
    }

    /// Reads a piece. `false` at the end.
    fn poll_hear(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.heard.reserve(PIECE);
        let mut piece = (&mut self.heard).limit(PIECE);
        let read = ready!(tokio_util::io::poll_read_buf(Pin::new(&mut self.stream), context, &mut piece))?;
        Poll::Ready(Ok(read > 0))
    }

    fn cut(&self, reason: &'static str) -> io::Error {
        self.notes.noted(|noted| noted.cut = Some(reason));
        io::ErrorKind::ConnectionAborted.into()
    }

    /// Bounds how long a caller may keep an answer waiting.
    fn writing<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            return written;
        }
        let times = self.times;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(sleep(times.write)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(self.cut("answer-not-taken")))
    }

    /// Reads on for a moment, so that the caller is not cut off from its answer by what it still sends: a socket that is
    /// closed with bytes unread resets the connection, and the answer may be lost with it (RFC 9112 §9.6).
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(mut left) = self.lingering else {
            self.lingering = Some(MOST_LINGERING);
            // It has its answer, so it can be spared.
            self.slot.wait();
            self.timer.as_mut().reset(Instant::now() + self.times.linger);
            return self.poll_linger(context);
        };
        let mut scratch = [0; PIECE];
        loop {
            if self.timer.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let mut piece = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut piece));
            left = left.saturating_sub(piece.filled().len());
            self.lingering = Some(left);
            if read.is_err() || piece.filled().is_empty() || left == 0 {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Screen<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !ready!(this.poll_request(context))? {
            return Poll::Ready(Ok(()));
        }
        match this.next {
            Next::Rest { left, body } => {
                let given = this.heard.get(..left.min(out.remaining())).unwrap_or_default();
                let length = given.len();
                out.put_slice(given);
                this.heard.advance(length);
                this.next = match left - length {
                    0 if this.notes.noted(|noted| noted.refused.is_some()) => Next::Nothing,
                    0 if body => Next::Body,
                    0 => Next::Head,
                    left => Next::Rest { left, body },
                };
                Poll::Ready(Ok(()))
            }
            Next::Body if this.heard.is_empty() => Pin::new(&mut this.stream).poll_read(context, out),
            Next::Body => {
                let length = this.heard.len().min(out.remaining());
                out.put_slice(this.heard.get(..length).unwrap_or_default());
                this.heard.advance(length);
                Poll::Ready(Ok(()))
            }
            // The refusal closes the connection, so nothing wakes this. (A head is not left over from above.)
            Next::Nothing | Next::Head => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Screen<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.writing(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.writing(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        let flushed = ready!(self.writing(context, flushed));
        self.write_timer = None;
        self.finish();
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let shut = Pin::new(&mut self.stream).poll_shutdown(context);
            ready!(self.writing(context, shut))?;
        }
        // Bytes that nobody will read can be there only after a request that was the last.
        if matches!(self.next, Next::Body | Next::Nothing) {
            ready!(self.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::super::slots::Slots;
    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// A caller, and what screens it. Time stands still, and goes on when everybody waits.
    async fn caller(capacity: usize) -> (DuplexStream, Screen<DuplexStream>, Arc<Slots>) {
        let slots = Slots::new(1);
        let (caller, stream) = duplex(capacity);
        let screen = Screen::new(stream, slots.take().await, Times::default());
        (caller, screen, slots)
    }

    async fn read(screen: &mut Screen<DuplexStream>) -> io::Result<Vec<u8>> {
        let mut bytes = [0; 8_192];
        let length = screen.read(&mut bytes).await?;
        Ok(bytes[..length].to_vec())
    }

    /// Writes an answer as the HTTP library would.
    async fn answer(screen: &mut Screen<DuplexStream>, bytes: &[u8]) -> io::Result<()> {
        screen.notes().answer(true);
        screen.write_all(bytes).await?;
        screen.flush().await
    }

    fn seconds(began: Instant) -> u64 {
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_ends_quietly() {
        let (_caller, mut screen, _slots) = caller(64).await;
        let began = Instant::now();
        assert!(!screen.request().await);
        assert_eq!((seconds(began), screen.notes().cut()), (10, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_is_cut_off_however_it_drips() {
        let (mut caller, mut screen, _slots) = caller(64).await;
        let began = Instant::now();
        let dripping = tokio::spawn(async move {
            while caller.write_all(b"X").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        assert!(!screen.request().await);
        assert_eq!((seconds(began), screen.notes().cut()), (10, Some("head-too-slow")));
        drop(screen);
        dripping.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_has_longer_but_the_next_head_has_not() {
        let (mut caller, mut screen, _slots) = caller(1_024).await;
        caller.write_all(REQUEST).await.unwrap();
        assert_eq!(read(&mut screen).await.unwrap(), REQUEST);
        answer(&mut screen, b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let began = Instant::now();
        let slowly = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(50)).await;
            caller.write_all(b"GET").await.unwrap();
            caller
        });
        read(&mut screen).await.unwrap_err();
        assert_eq!((seconds(began), screen.notes().cut()), (60, Some("head-too-slow")));
        slowly.await.unwrap();

        let (mut caller, mut screen, _slots) = self::caller(1_024).await;
        caller.write_all(REQUEST).await.unwrap();
        read(&mut screen).await.unwrap();
        answer(&mut screen, b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let began = Instant::now();
        assert_eq!(read(&mut screen).await.unwrap(), b"");
        assert_eq!((seconds(began), screen.notes().cut()), (60, None));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_sent_ahead_are_handed_on_one_by_one_after_each_answer() {
        let (mut caller, mut screen, _slots) = caller(1_024).await;
        let next = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
        caller.write_all(&[REQUEST, next, b"GET"].concat()).await.unwrap();
        assert_eq!(read(&mut screen).await.unwrap(), REQUEST);
        // However long the first one takes, that is no fault of the caller's.
        let waited = tokio::time::timeout(Duration::from_hours(1), read(&mut screen)).await;
        assert!(waited.is_err());
        answer(&mut screen, b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        assert_eq!(read(&mut screen).await.unwrap(), next);
        answer(&mut screen, b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        drop(caller);
        assert_eq!(read(&mut screen).await.unwrap(), b"");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_hangs_up_during_its_request_is_noticed() {
        let (mut caller, mut screen, _slots) = caller(1_024).await;
        caller.write_all(REQUEST).await.unwrap();
        read(&mut screen).await.unwrap();
        drop(caller);
        assert_eq!(read(&mut screen).await.unwrap(), b"");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_read_after_a_refusal() {
        let (mut caller, mut screen, _slots) = caller(1_024).await;
        caller.write_all(b"HEAD / HTTP/1.1\nHost: x\r\n\r\n").await.unwrap();
        caller.write_all(REQUEST).await.unwrap();
        assert_eq!(read(&mut screen).await.unwrap(), REPLACED_HEAD);
        assert!(screen.notes().refused().is_some());
        let waited = tokio::time::timeout(Duration::from_hours(1), read(&mut screen)).await;
        assert!(waited.is_err());
        answer(&mut screen, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let waited = tokio::time::timeout(Duration::from_hours(1), read(&mut screen)).await;
        assert!(waited.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_does_not_take_its_answer_is_cut_off() {
        let (mut caller, mut screen, _slots) = caller(64).await;
        caller.write_all(REQUEST).await.unwrap();
        read(&mut screen).await.unwrap();
        let began = Instant::now();
        // Reading a little now and then does not help.
        let trickle = tokio::spawn(async move {
            let mut byte = [0];
            while caller.read(&mut byte).await.is_ok_and(|length| length > 0) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        answer(&mut screen, &[b'x'; 4_096]).await.unwrap_err();
        assert_eq!((seconds(began), screen.notes().cut()), (60, Some("answer-not-taken")));
        drop(screen);
        trickle.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_refused_caller_still_sends_is_read_for_a_moment_and_thrown_away() {
        let (mut caller, mut screen, _slots) = caller(64).await;
        caller.write_all(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n").await.unwrap();
        read(&mut screen).await.unwrap();
        let began = Instant::now();
        let sending = tokio::spawn(async move {
            let mut sent = 0;
            while caller.write_all(&[b'x'; 32]).await.is_ok() {
                sent += 32;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            sent
        });
        screen.shutdown().await.unwrap();
        assert_eq!(seconds(began), 2);
        drop(screen);
        assert!(sending.await.unwrap() > 500);

        // One that has read its answer and hangs up is not waited for.
        let (mut caller, mut screen, _slots) = self::caller(64).await;
        caller.write_all(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n").await.unwrap();
        read(&mut screen).await.unwrap();
        drop(caller);
        let began = Instant::now();
        let _ = screen.shutdown().await;
        assert_eq!(seconds(began), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_lingers_can_be_spared() {
        let (mut caller, mut screen, slots) = caller(1_024).await;
        caller.write_all(b"POST / HTTP/1.1\nHost: x\r\n\r\n").await.unwrap();
        read(&mut screen).await.unwrap();
        answer(&mut screen, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        assert!(!slots.spare_one());
        let lingering = tokio::time::timeout(Duration::from_secs(1), screen.shutdown()).await;
        assert!(lingering.is_err() && slots.spare_one());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_can_be_spared_while_it_waits_and_not_while_it_works() {
        let (mut caller, mut screen, slots) = caller(1_024).await;
        caller.write_all(REQUEST).await.unwrap();
        read(&mut screen).await.unwrap();
        assert!(!slots.spare_one());
        answer(&mut screen, b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(1), read(&mut screen)).await;
        assert!(waited.is_err() && slots.spare_one());
        // A request that crosses with that is not begun.
        caller.write_all(REQUEST).await.unwrap();
        read(&mut screen).await.unwrap_err();
        assert_eq!(screen.notes().cut(), Some("spared"));
    }
}
