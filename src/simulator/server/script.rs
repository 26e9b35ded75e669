//! What a fault does on the wire: bytes and pauses, one after the other, and how it ends. Pure; `connection` plays it.
//!
//! A healthy answer is hyper's to write. Of these, none is: most of them hyper could not be brought to send.

use std::fmt::Write as _;
use std::time::Duration;

use http::StatusCode;
use hyper::body::Bytes;

use crate::simulator::fault::{EchoForm, Fault};
use crate::simulator::wire::{Answer, Format};

/// The size of the pieces of an endless body.
const ENDLESS_PIECE: u64 = 16 * 1024;

/// What to do with a connection in place of an answer.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Send(Bytes),
    Wait(Duration),
    /// The same bytes, so many times.
    Repeat(Bytes, u64),
}

/// How a script ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The next request is served.
    Open,
    /// The connection is closed as it should be.
    Close,
    /// The connection is reset.
    Reset,
    /// Nothing more is sent, until the client goes.
    Hang,
}

/// What of a request shows in a faulty answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// `HEAD` has an answer without a body.
    pub(super) head_only: bool,
    /// The value of `Authorization`, or nothing.
    pub(super) authorization: &'a str,
}

impl Script {
    /// The script of `fault`. `execute` has the world answer; a fault that does not execute the request leaves it be.
    pub(super) fn of(fault: &Fault, asked: Asked<'_>, mut execute: impl FnMut() -> Answer) -> Self {
        let mut reply = || Reply::of(&execute(), asked.head_only);
        match fault {
            Fault::DelayHead(time) => {
                let (head, body) = reply().parts();
                Self { steps: vec![Step::Wait(*time), Step::Send([head, body].concat().into())], end: End::Open }
            }
            Fault::DelayBody(time) => {
                let (head, body) = reply().parts();
                Self::open(vec![Step::Send(head.into()), Step::Wait(*time), Step::Send(body.into())])
            }
            Fault::DripBody { bytes, pause } => {
                let (head, body) = reply().parts();
                let pieces = body.chunks((*bytes).max(1)).map(Bytes::copy_from_slice);
                let drip = pieces.flat_map(|piece| [Step::Wait(*pause), Step::Send(piece)]);
                Self::open(std::iter::once(Step::Send(head.into())).chain(drip).collect())
            }
            Fault::Hang { executed } => Self::nothing(*executed, execute, End::Hang),
            Fault::Reset { executed } => Self::nothing(*executed, execute, End::Reset),
            Fault::Close { executed } => Self::nothing(*executed, execute, End::Close),
            Fault::HangAfter(bytes) => Self::part(&reply().bytes(), *bytes, End::Hang),
            Fault::ResetAfter(bytes) => Self::part(&reply().bytes(), *bytes, End::Reset),
            Fault::Truncate(bytes) => {
                let mut reply = reply();
                let declared = reply.body.len().max(1);
                reply.framing = Framing::Length(declared);
                let kept = (*bytes).min(declared - 1).min(reply.body.len());
                reply.body.truncate(kept);
                Self::send(reply.bytes(), End::Close)
            }
            Fault::Status { status, text, executed } => {
                if *executed {
                    execute();
                }
                let answer = Answer::body(*status, Format::Text, text.clone());
                Self::send(Reply::of(&answer, asked.head_only).bytes(), End::Open)
            }
            Fault::Redirect { status, location } => {
                let answer = Answer { status: *status, content_type: None, allow: None, body: Bytes::new() };
                let reply = Reply::of(&answer, asked.head_only).with(format!("location: {location}"));
                Self::send(reply.bytes(), End::Open)
            }
            Fault::Garbage => Self::send(garbage(), End::Close),
            Fault::EndlessBody(bytes) => {
                let mut reply = reply();
                reply.framing = Framing::Chunked;
                let head = reply.head("\r\n");
                let piece = ENDLESS_PIECE.min(*bytes);
                let chunk = chunk(&vec![b' '; usize::try_from(piece).unwrap_or_default()]);
                let repeat = Step::Repeat(chunk.into(), bytes.div_ceil(piece.max(1)));
                let steps = if asked.head_only { Vec::new() } else { vec![repeat] };
                let steps = std::iter::once(Step::Send(head.into())).chain(steps).collect();
                Self { steps, end: if asked.head_only { End::Open } else { End::Close } }
            }
            Fault::BareLf
            | Fault::ObsFold
            | Fault::TwoLengths
            | Fault::SameLengthTwice
            | Fault::LengthAndChunked
            | Fault::LargeHead(_)
            | Fault::ManyHeaders(_)
            | Fault::Interim { .. }
            | Fault::Surplus => Self::malformed(fault, reply()),
            Fault::ContentType(_)
            | Fault::Charset(_)
            | Fault::Gzip { .. }
            | Fault::DeepNesting(_)
            | Fault::EchoHeader(_)
            | Fault::EchoBody(_) => Self::send(altered(fault, reply(), asked).bytes(), End::Open),
        }
    }

    /// An answer whose bytes are not what HTTP would have them be.
    fn malformed(fault: &Fault, mut reply: Reply) -> Self {
        let (mut before, mut after, mut end) = (Vec::new(), Vec::new(), End::Open);
        match fault {
            Fault::BareLf => {
                let bytes = [reply.head("\n"), reply.sent_body()].concat();
                return Self::send(bytes, end);
            }
            Fault::ObsFold => reply.fields.push("x-folded: first line\r\n\tsecond line".to_owned()),
            Fault::TwoLengths => {
                reply.fields.push(format!("content-length: {}", reply.body.len() + 1));
                end = End::Close;
            }
            Fault::SameLengthTwice => reply.fields.push(format!("content-length: {}", reply.body.len())),
            Fault::LengthAndChunked => {
                reply.fields.push(format!("content-length: {}", reply.body.len()));
                reply.framing = Framing::Chunked;
            }
            Fault::LargeHead(bytes) => reply.fields.push(format!("x-large: {}", "x".repeat(*bytes))),
            Fault::ManyHeaders(count) => {
                reply.fields.extend((1..=*count).map(|number| format!("x-many-{number}: x")));
            }
            Fault::Interim { status, count } => {
                before = status_line(*status, "\r\n\r\n").into_bytes().repeat(*count);
            }
            Fault::Surplus => {
                let answer = Answer::body(StatusCode::OK, Format::Text, "an answer that nobody asked for");
                after = Reply::of(&answer, false).bytes();
            }
            _ => {}
        }
        Self::send([before, reply.bytes(), after].concat(), end)
    }

    /// Nothing but an end.
    fn nothing(executed: bool, mut execute: impl FnMut() -> Answer, end: End) -> Self {
        if executed {
            execute();
        }
        Self { steps: Vec::new(), end }
    }

    fn part(bytes: &[u8], most: usize, end: End) -> Self {
        let part = bytes.get(..most).unwrap_or(bytes);
        Self::send(part.to_vec(), end)
    }

    fn send(bytes: Vec<u8>, end: End) -> Self {
        Self { steps: vec![Step::Send(bytes.into())], end }
    }

    fn open(steps: Vec<Step>) -> Self {
        Self { steps, end: End::Open }
    }
}

/// A well-formed answer with other contents.
fn altered(fault: &Fault, mut reply: Reply, asked: Asked<'_>) -> Reply {
    match fault {
        Fault::ContentType(value) => reply.content_type = Some(value.clone()),
        Fault::Charset(charset) => {
            let media = reply.content_type.as_deref().and_then(|value| value.split(';').next());
            reply.content_type = Some(format!("{};charset={charset}", media.unwrap_or("text/plain").trim()));
        }
        Fault::Gzip { compressed } => {
            reply.fields.push("content-encoding: gzip".to_owned());
            if *compressed {
                reply.set_body(gzip(&reply.body));
            }
        }
        Fault::DeepNesting(depth) => {
            let (open, close) = if reply.is_of("xml") { ("<a>", "</a>") } else { ("[", "]") };
            reply.set_body((open.repeat(*depth) + &close.repeat(*depth)).into_bytes());
        }
        Fault::EchoHeader(form) => reply.fields.push(format!("x-echo: {}", echo(asked.authorization, *form))),
        Fault::EchoBody(form) => {
            let echo = echo(asked.authorization, *form);
            let body = if reply.is_of("json") {
                format!("{{\"echo\":\"{echo}\"}}")
            } else if reply.is_of("xml") {
                format!("<echo>{echo}</echo>")
            } else {
                echo
            };
            reply.set_body(body.into_bytes());
        }
        _ => {}
    }
    reply
}

/// An answer in its parts, its names in lower case as hyper writes those of healthy answers.
struct Reply {
    status: StatusCode,
    content_type: Option<String>,
    /// Further header lines.
    fields: Vec<String>,
    framing: Framing,
    body: Vec<u8>,
    head_only: bool,
}

#[derive(Clone, Copy)]
enum Framing {
    /// No body can follow.
    None,
    Length(usize),
    Chunked,
}

impl Reply {
    fn of(answer: &Answer, head_only: bool) -> Self {
        let framing = match answer.status {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Framing::None,
            _ => Framing::Length(answer.body.len()),
        };
        let body = if matches!(framing, Framing::None) { Vec::new() } else { answer.body.to_vec() };
        Self {
            status: answer.status,
            content_type: answer.content_type.map(str::to_owned),
            fields: answer.allow.map(|allow| format!("allow: {allow}")).into_iter().collect(),
            framing,
            body,
            head_only,
        }
    }

    fn with(mut self, field: String) -> Self {
        self.fields.push(field);
        self
    }

    /// Another body. An answer that had none has one now.
    fn set_body(&mut self, body: Vec<u8>) {
        if matches!(self.framing, Framing::None) {
            self.status = StatusCode::OK;
        }
        self.framing = Framing::Length(body.len());
        self.body = body;
    }

    fn is_of(&self, kind: &str) -> bool {
        self.content_type.as_deref().is_some_and(|value| value.contains(kind))
    }

    fn head(&self, line_end: &str) -> Vec<u8> {
        let mut head = status_line(self.status, line_end);
        let mut line = |text: &str| {
            head.push_str(text);
            head.push_str(line_end);
        };
        line("server: clickbank-simulator");
        if let Some(content_type) = &self.content_type {
            line(&format!("content-type: {content_type}"));
        }
        for field in &self.fields {
            line(field);
        }
        match self.framing {
            Framing::None => {}
            Framing::Length(length) => line(&format!("content-length: {length}")),
            Framing::Chunked => line("transfer-encoding: chunked"),
        }
        line("");
        head.into_bytes()
    }

    /// The body as it is sent.
    fn sent_body(&self) -> Vec<u8> {
        match self.framing {
            _ if self.head_only => Vec::new(),
            Framing::None => Vec::new(),
            Framing::Length(_) => self.body.clone(),
            Framing::Chunked if self.body.is_empty() => b"0\r\n\r\n".to_vec(),
            Framing::Chunked => [chunk(&self.body).as_slice(), b"0\r\n\r\n"].concat(),
        }
    }

    fn parts(&self) -> (Vec<u8>, Vec<u8>) {
        (self.head("\r\n"), self.sent_body())
    }

    fn bytes(&self) -> Vec<u8> {
        let (head, body) = self.parts();
        [head, body].concat()
    }
}

fn status_line(status: StatusCode, line_end: &str) -> String {
    format!("HTTP/1.1 {} {}{line_end}", status.as_u16(), status.canonical_reason().unwrap_or_default())
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Every byte there is, beginning with some that no HTTP begins with.
fn garbage() -> Vec<u8> {
    (0..=u8::MAX).chain(*b"\r\n\r\n").collect()
}

fn echo(text: &str, form: EchoForm) -> String {
    let mut echo = String::new();
    // Writing to a text cannot fail.
    match form {
        EchoForm::Plain => echo.push_str(text),
        EchoForm::Percent => text.bytes().for_each(|byte| _ = write!(echo, "%{byte:02X}")),
        EchoForm::Json => text.encode_utf16().for_each(|unit| _ = write!(echo, "\\u{unit:04x}")),
        EchoForm::Xml => text.chars().for_each(|letter| _ = write!(echo, "&#x{:x};", u32::from(letter))),
        EchoForm::Base64 => echo = base64(text.as_bytes()),
    }
    echo
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | group.get(at).copied().map_or(0, u32::from));
        for at in 0..4 {
            let index = (bits >> (18 - 6 * at)) & 63;
            let letter = LETTERS.get(index as usize).copied().map_or('=', char::from);
            text.push(if at <= group.len() { letter } else { '=' });
        }
    }
    text
}

/// RFC 1952, with the bytes stored as they are: it has to be undone, not to be small.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    const MOST_STORED: usize = u16::MAX as usize;
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let blocks = bytes.len().div_ceil(MOST_STORED).max(1);
    for (number, block) in (1..=blocks).map(|number| {
        let start = (number - 1) * MOST_STORED;
        (number, bytes.get(start..).map_or(&[][..], |rest| rest.get(..MOST_STORED).unwrap_or(rest)))
    }) {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        file.push(u8::from(number == blocks));
        file.extend(length.to_le_bytes());
        file.extend((!length).to_le_bytes());
        file.extend(block);
    }
    file.extend(crc32(bytes).to_le_bytes());
    file.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'static> = Asked { head_only: false, authorization: "API-7" };

    fn json() -> Answer {
        Answer::body(StatusCode::OK, Format::Json, "{\"a\":1}")
    }

    /// All that is sent, as text.
    fn sent(script: &Script) -> String {
        let mut bytes = Vec::new();
        for step in &script.steps {
            match step {
                Step::Send(piece) => bytes.extend_from_slice(piece),
                Step::Repeat(piece, times) => (0..*times).for_each(|_| bytes.extend_from_slice(piece)),
                Step::Wait(_) => {}
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    fn of(fault: &Fault) -> (String, End) {
        let script = Script::of(fault, ASKED, json);
        (sent(&script), script.end)
    }

    /// An answer with these header lines, which hyper would write in this order, too.
    fn text(lines: &str, body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nserver: clickbank-simulator\r\n{lines}\r\n\r\n{body}")
    }

    const JSON: &str = "content-type: application/json";

    #[test]
    fn what_is_malformed_is_so_byte_for_byte() {
        let body = "{\"a\":1}";
        let healthy = text(&format!("{JSON}\r\ncontent-length: 7"), body);
        let json = |lines: &str, body: &str| text(&format!("{JSON}\r\n{lines}"), body);
        for (fault, expected, end) in [
            (Fault::BareLf, healthy.replace("\r\n", "\n"), End::Open),
            (Fault::ObsFold, json("x-folded: first line\r\n\tsecond line\r\ncontent-length: 7", body), End::Open),
            (Fault::TwoLengths, json("content-length: 8\r\ncontent-length: 7", body), End::Close),
            (Fault::SameLengthTwice, json("content-length: 7\r\ncontent-length: 7", body), End::Open),
            (
                Fault::LengthAndChunked,
                json("content-length: 7\r\ntransfer-encoding: chunked", &format!("7\r\n{body}\r\n0\r\n\r\n")),
                End::Open,
            ),
            (Fault::LargeHead(3), json("x-large: xxx\r\ncontent-length: 7", body), End::Open),
            (Fault::ManyHeaders(2), json("x-many-1: x\r\nx-many-2: x\r\ncontent-length: 7", body), End::Open),
            (
                Fault::Interim { status: StatusCode::CONTINUE, count: 2 },
                format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n{healthy}"),
                End::Open,
            ),
            (Fault::Truncate(3), json("content-length: 7", "{\"a"), End::Close),
            (Fault::Truncate(99), json("content-length: 7", "{\"a\":1"), End::Close),
            (Fault::HangAfter(10), healthy[..10].to_owned(), End::Hang),
            (Fault::ResetAfter(9999), healthy.clone(), End::Reset),
            (Fault::Gzip { compressed: false }, json("content-encoding: gzip\r\ncontent-length: 7", body), End::Open),
        ] {
            assert_eq!(of(&fault), (expected, end), "{fault:?}");
        }
        let (surplus, end) = of(&Fault::Surplus);
        let second = surplus.strip_prefix(&healthy).unwrap();
        assert!(
            second.starts_with("HTTP/1.1 200 OK\r\n")
                && second.ends_with("content-length: 31\r\n\r\nan answer that nobody asked for"),
            "{second}"
        );
        assert_eq!(end, End::Open);
    }

    #[test]
    fn only_what_says_so_is_executed() {
        let status = |executed| Fault::Status { status: StatusCode::BAD_GATEWAY, text: "no".to_owned(), executed };
        let location = "https://example.com/".to_owned();
        for (fault, expected) in [
            (Fault::Hang { executed: false }, false),
            (Fault::Hang { executed: true }, true),
            (Fault::Reset { executed: false }, false),
            (Fault::Reset { executed: true }, true),
            (Fault::Close { executed: false }, false),
            (Fault::Close { executed: true }, true),
            (status(false), false),
            (status(true), true),
            (Fault::Redirect { status: StatusCode::FOUND, location }, false),
            (Fault::Garbage, false),
            (Fault::HangAfter(0), true),
            (Fault::ResetAfter(0), true),
            (Fault::Surplus, true),
            (Fault::EchoBody(EchoForm::Plain), true),
        ] {
            let mut executed = false;
            Script::of(&fault, ASKED, || {
                executed = true;
                json()
            });
            assert_eq!(executed, expected, "{fault:?}");
        }
    }

    #[test]
    fn an_echo_has_the_form_that_was_asked_for() {
        for (form, expected) in [
            (EchoForm::Plain, "API-7"),
            (EchoForm::Percent, "%41%50%49%2D%37"),
            (EchoForm::Base64, "QVBJLTc="),
            (EchoForm::Json, "\\u0041\\u0050\\u0049\\u002d\\u0037"),
            (EchoForm::Xml, "&#x41;&#x50;&#x49;&#x2d;&#x37;"),
        ] {
            let (header, _) = of(&Fault::EchoHeader(form));
            assert!(header.contains(&format!("\r\nx-echo: {expected}\r\n")), "{header}");
            let (body, _) = of(&Fault::EchoBody(form));
            assert!(body.ends_with(&format!("\r\n\r\n{{\"echo\":\"{expected}\"}}")), "{body}");
        }
        assert_eq!(["", "a", "ab", "abc"].map(|text| base64(text.as_bytes())), ["", "YQ==", "YWI=", "YWJj"]);
    }

    #[test]
    fn gzip_is_gzip() {
        // The check value of CRC-32, as of RFC 1952.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let long = vec![b'x'; 70_000];
        let file = gzip(&long);
        assert_eq!(&file[10..15], [0, 0xff, 0xff, 0, 0]);
        let second = 15 + 65_535;
        let length = u16::try_from(70_000 - 65_535).unwrap();
        assert_eq!(file[second], 1);
        assert_eq!(file[second + 1..second + 3], length.to_le_bytes());
        assert_eq!(file.len(), 10 + 70_000 + 2 * 5 + 8);
        assert_eq!(gzip(b"").len(), 10 + 5 + 8);
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let asked = Asked { head_only: true, ..ASKED };
        for fault in [
            Fault::Status { status: StatusCode::BAD_GATEWAY, text: "no".to_owned(), executed: false },
            Fault::EchoBody(EchoForm::Plain),
            Fault::LengthAndChunked,
            Fault::EndlessBody(100),
            Fault::DripBody { bytes: 1, pause: Duration::ZERO },
        ] {
            let script = Script::of(&fault, asked, || json().without_body());
            assert!(sent(&script).ends_with("\r\n\r\n"), "{fault:?}: {}", sent(&script));
            assert_eq!(sent(&script).matches("\r\n\r\n").count(), 1, "{fault:?}");
        }
    }

    #[test]
    fn an_answer_without_a_body_can_still_be_cut_short() {
        let script = Script::of(&Fault::Truncate(0), ASKED, Answer::no_content);
        assert!(sent(&script).ends_with("content-length: 1\r\n\r\n"));
    }

    #[test]
    fn pauses_stand_where_they_are_promised() {
        let pause = Duration::from_millis(5);
        let kinds = |fault: Fault| -> Vec<bool> {
            Script::of(&fault, ASKED, json).steps.iter().map(|step| *step == Step::Wait(pause)).collect()
        };
        assert_eq!(kinds(Fault::DelayHead(pause)), [true, false]);
        assert_eq!(kinds(Fault::DelayBody(pause)), [false, true, false]);
        let drip = kinds(Fault::DripBody { bytes: 3, pause });
        assert_eq!(drip, [false, true, false, true, false, true, false]);
    }

    #[test]
    fn an_endless_body_has_no_last_chunk_and_a_bound() {
        let (endless, end) = of(&Fault::EndlessBody(40_000));
        assert!(endless.contains("transfer-encoding: chunked") && endless.ends_with(" \r\n"));
        assert_eq!((endless.matches("\r\n4000\r\n").count(), end), (3, End::Close));
    }
}
