//! A client that sends any bytes, and reads answers strictly.

use std::net::SocketAddr;
use std::path::Path;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UnixStream};

use super::secrets::Secrets;
use super::within;

/// The headers that an answer of the gateway may have.
const ALLOWED: [&str; 12] = [
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "gateway-accepted-permissions",
    "gateway-error",
    "gateway-replayed",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];

/// Anything that can be connected.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection to the gateway. Every answer that is read from it is checked.
pub(crate) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    secrets: Secrets,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr, secrets: &Secrets) -> Self {
        Self::over(within("a connection", TcpStream::connect(address)).await.unwrap(), secrets)
    }

    pub(crate) async fn open_unix(path: &Path, secrets: &Secrets) -> Self {
        Self::over(within("a connection", UnixStream::connect(path)).await.unwrap(), secrets)
    }

    pub(crate) fn over(stream: impl Stream + 'static, secrets: &Secrets) -> Self {
        Self { stream: BufReader::new(Box::new(stream)), secrets: secrets.clone() }
    }

    /// Sends bytes as they are. A gateway that has already answered and closed shows when its answer is read.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        };
        if let Err(error) = within("room to send", sent).await {
            let closed = [std::io::ErrorKind::BrokenPipe, std::io::ErrorKind::ConnectionReset];
            assert!(closed.contains(&error.kind()), "{error}");
        }
    }

    /// Sends no more, and says so.
    pub(crate) async fn end(&mut self) {
        // It may be closed already.
        let _ = within("the connection to end", self.stream.shutdown()).await;
    }

    /// The next answer, to a request with another method than HEAD; `None` when the connection closes before it.
    pub(crate) async fn next_answer(&mut self) -> Option<Answer> {
        within("an answer", self.read(true)).await
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.next_answer().await.expect("the connection closed without an answer")
    }

    /// The next answer, to a HEAD request.
    pub(crate) async fn answer_to_head(&mut self) -> Answer {
        within("an answer", self.read(false)).await.expect("the connection closed without an answer")
    }

    /// Fails unless the connection closes without another byte.
    pub(crate) async fn expect_close(&mut self, about: &str) {
        let mut rest = Vec::new();
        // Reset or ended: both are closed.
        let _ = within("the connection to close", self.stream.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "{about}: more came: {}", String::from_utf8_lossy(&rest));
    }

    /// Whether the connection closes without anything that looks like HTTP.
    pub(crate) async fn closed_without_http(&mut self) -> bool {
        let mut rest = Vec::new();
        let _ = within("the connection to close", self.stream.read_to_end(&mut rest)).await;
        !rest.windows(5).any(|window| window == b"HTTP/")
    }

    async fn read(&mut self, body_expected: bool) -> Option<Answer> {
        let status_line = self.line().await?;
        let status = status_line.strip_prefix("HTTP/1.1 ").or_else(|| status_line.strip_prefix("HTTP/1.0 "));
        let status: u16 = status.and_then(|rest| rest.get(..3)?.parse().ok()).expect(&status_line);
        let mut headers = Vec::new();
        loop {
            let line = self.line().await.expect("a head that broke off");
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no header: {line:?}"));
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if body_expected && !matches!(status, 100..200 | 204 | 304) {
            let length = answer.header("content-length").expect("an answer without Content-Length");
            answer.body = vec![0; length.parse().unwrap()];
            self.stream.read_exact(&mut answer.body).await.expect("a body that broke off");
        }
        answer.check(&self.secrets);
        Some(answer)
    }

    /// A line without its end; `None` when the connection has closed.
    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line).await;
        if !read.is_ok_and(|length| length > 0) {
            return None;
        }
        let line = String::from_utf8(line).unwrap();
        Some(line.strip_suffix("\r\n").unwrap_or_else(|| panic!("not a whole line: {line:?}")).to_owned())
    }
}

/// An answer of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// What holds for every answer.
    fn check(&self, secrets: &Secrets) {
        for (name, value) in &self.headers {
            assert!(ALLOWED.contains(&name.as_str()), "a header that no answer has: {name}: {value}");
            let same = self.headers.iter().filter(|(other, _)| other == name).count();
            assert_eq!(same, 1, "{name} stands {same} times");
        }
        let head: Vec<String> = self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        secrets.sweep("the head of an answer", head.join("\n").as_bytes());
        secrets.sweep("the body of an answer", &self.body);
        if let Some(code) = self.code() {
            assert_eq!(self.header("content-type"), Some("application/problem+json"));
            assert_eq!(self.header("cache-control"), Some("no-store"));
            if !self.body.is_empty() {
                let problem = self.json();
                assert_eq!(problem["code"], code);
                assert_eq!(problem["status"], self.status);
                assert_eq!(problem["request_id"], self.header("x-request-id").unwrap());
                assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{problem}");
            }
        }
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The gateway's own word for its refusal, if it is one.
    pub(crate) fn code(&self) -> Option<&str> {
        self.header("gateway-error")
    }

    /// Status and code, as tables have them.
    pub(crate) fn outcome(&self) -> (u16, Option<&str>) {
        (self.status, self.code())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The answer without what differs from request to request: its id, and the time.
    pub(crate) fn without_id(&self) -> Self {
        let id = self.header("x-request-id").expect("an answer without a request id").to_owned();
        let mut answer = self.clone();
        answer.headers.retain(|(name, _)| name != "date");
        for (_, value) in &mut answer.headers {
            *value = value.replace(&id, "ID");
        }
        answer.body = self.text().replace(&id, "ID").into_bytes();
        answer
    }
}
