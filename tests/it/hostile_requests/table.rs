//! The table's form: what is sent on a connection, what its caller gets, and what arrives at ClickBank.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use clickbank_gateway::simulator::Received;
use clickbank_gateway::tls::{certificates, client_config};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::scene::{Scene, demo_simulator, start_gateway, write_for};
use crate::support::setup::{Setup, everything_on, new_key};
use crate::support::upstream::{Certificate, Identity};
use crate::support::wire::Connection;
use crate::support::within;

/// What an attack is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Identity,
    Authorization,
    Target,
    Parameters,
    Framing,
    Headers,
    Replies,
    SideEffects,
    Exhaustion,
}

/// The status of an answer, and the gateway's code if it is a refusal.
pub(super) type Got = (u16, Option<&'static str>);

/// Bytes on a connection of their own, and all that comes of them.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Each character is one byte. `{app}` and the like stand for the callers' keys, and for what [`Stage::fill`] knows.
    pub(super) sent: String,
    /// Whether the caller says that it sends no more.
    pub(super) ends: bool,
    /// Status and code of each answer, in order.
    pub(super) got: Vec<Got>,
    /// Whether the connection closes after the last answer. If it does not, it has to be in step.
    pub(super) closes: bool,
    /// The heads that arrive at ClickBank, each of them whole, in order.
    pub(super) arrives: Vec<String>,
}

/// What comes of a request that must not pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    /// None when there is no answer, just the end of the connection.
    answer: Option<(u16, &'static str)>,
    closes: bool,
}

/// A refusal after which requests can follow.
pub(super) const fn refused(status: u16, code: &'static str) -> Refusal {
    Refusal { answer: Some((status, code)), closes: false }
}

impl Refusal {
    /// The same, after which nothing can follow.
    pub(super) const fn last(self) -> Self {
        Self { closes: true, ..self }
    }
}

pub(super) const MALFORMED: Refusal = refused(400, "malformed-request").last();
pub(super) const BODY: Refusal = refused(400, "body-not-allowed").last();
pub(super) const HEAD_TOO_LARGE: Refusal = refused(431, "head-too-large").last();
pub(super) const HUNG_UP: Refusal = Refusal { answer: None, closes: true };
pub(super) const KEY: Refusal = refused(401, "key-refused");
pub(super) const PARAMETER: Refusal = refused(400, "unknown-parameter");
pub(super) const PERMISSION: Refusal = refused(403, "permission-missing");
pub(super) const NICKNAME: Refusal = refused(403, "nickname-not-granted");
pub(super) const BLOCKED: Refusal = refused(403, "endpoint-blocked");
pub(super) const UNKNOWN: Refusal = refused(404, "unknown-endpoint");
pub(super) const METHOD: Refusal = refused(405, "method-not-allowed");
pub(super) const ACCEPT: Refusal = refused(406, "not-acceptable");
pub(super) const TOO_LONG: Refusal = refused(414, "target-too-long");

/// Rows of one request each that must not pass: nothing of it arrives.
pub(super) fn refusals(rows: impl IntoIterator<Item = (&'static str, String, Refusal)>) -> Vec<Row> {
    let row = |(name, sent, refusal): (_, _, Refusal)| {
        let got = refusal.answer.into_iter().map(|(status, code)| (status, Some(code))).collect();
        Row { name, sent, ends: false, got, closes: refusal.closes, arrives: Vec::new() }
    };
    rows.into_iter().map(row).collect()
}

/// Rows of one request each that passes, with ClickBank's status and the head that arrives there.
pub(super) fn passing(rows: impl IntoIterator<Item = (&'static str, String, u16, String)>) -> Vec<Row> {
    let row = |(name, sent, status, head)| Row {
        name,
        sent,
        ends: false,
        got: vec![(status, None)],
        closes: false,
        arrives: vec![head],
    };
    rows.into_iter().map(row).collect()
}

/// The same, where the request is the last of its connection.
pub(super) fn passing_last(rows: impl IntoIterator<Item = (&'static str, String, u16, String)>) -> Vec<Row> {
    passing(rows).into_iter().map(|row| Row { closes: true, ..row }).collect()
}

/// A row of several requests, sent all at once.
pub(super) fn several(name: &'static str, sent: String, got: &[Got], closes: bool, arrives: &[&String]) -> Row {
    let arrives = arrives.iter().map(|head| (*head).clone()).collect();
    Row { name, sent, ends: false, got: got.to_vec(), closes, arrives }
}

/// The same rows, where the caller says that it sends no more.
pub(super) fn ended(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().map(|row| Row { ends: true, ..row }).collect()
}

pub(super) const COUNT: &str = "/rest/1.3/orders2/count";
pub(super) const LIST: &str = "/rest/1.3/orders2/list";

/// A request line with the head that every good request has.
pub(super) fn line(request_line: &str) -> String {
    format!("{request_line}\r\nHost: gateway\r\nAuthorization: {{app}}\r\n\r\n")
}

/// A request for `target` by the caller who may do everything on acme.
pub(super) fn get(target: &str) -> String {
    line(&format!("GET {target} HTTP/1.1"))
}

/// The same by another caller.
pub(super) fn get_as(caller: &str, target: &str) -> String {
    get(target).replace("{app}", &format!("{{{caller}}}"))
}

/// A request for an endpoint that the caller may use, with more lines in its head.
pub(super) fn with(lines: &str) -> String {
    format!("GET {COUNT} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {{app}}\r\n{lines}\r\n")
}

/// The same without a key of its own.
pub(super) fn without_key(lines: &str) -> String {
    format!("GET {COUNT} HTTP/1.1\r\nHost: gateway\r\n{lines}\r\n")
}

/// The whole head that arrives behind acme's credential.
pub(super) fn head(request: &str, accept: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "{request} HTTP/1.1\r\nuser-agent: clickbank-gateway/{version}\r\naccept-encoding: identity\r\naccept: {accept}\r\n\
         authorization: {{clickbank acme}}\r\nhost: {{clickbank}}\r\n\r\n"
    )
}

/// That of a GET whose answer comes as XML, which is what ClickBank sends to whoever does not say.
pub(super) fn xml(target: &str) -> String {
    head(&format!("GET {target}"), "application/xml")
}

/// That of a GET whose answer comes as JSON.
pub(super) fn json(target: &str) -> String {
    head(&format!("GET {target}"), "application/json")
}

/// That of a bare count.
pub(super) fn text(target: &str) -> String {
    head(&format!("GET {target}"), "text/plain")
}

/// That of a change without a body.
pub(super) fn change(request: &str) -> String {
    head(request, "application/xml").replace("host: ", "content-length: 0\r\nhost: ")
}

/// The same head behind another credential.
pub(super) fn behind(credential: &str, head: &str) -> String {
    head.replace("{clickbank acme}", &format!("{{clickbank {credential}}}"))
}

/// The same head, of a page.
pub(super) fn page(number: &str, head: &str) -> String {
    head.replace("authorization: ", &format!("page: {number}\r\nauthorization: "))
}

/// The same head without a line.
pub(super) fn without(name: &str, head: &str) -> String {
    let kept: Vec<&str> = head.split("\r\n").filter(|line| !line.starts_with(&format!("{name}: "))).collect();
    kept.join("\r\n")
}

/// How callers reach the gateway.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Tcp,
    Tls,
    Unix,
}

/// A gateway, what is behind it, and a way to reach it.
pub(super) struct Stage {
    pub(super) scene: Scene,
    way: Way,
    tls: TlsConnector,
    /// What stands for what.
    names: BTreeMap<String, String>,
}

/// Callers of every kind. `orbit` is reached by one credential only, which reaches zenith as well.
fn setup() -> Setup {
    let zenith = "orders_read = [\"zenith\"]\nproducts = [\"zenith\"]";
    let acme = everything_on("[\"acme\"]");
    Setup::acme()
        .credential("zenith", zenith)
        .credential("acmeaff", "orders_read = [\"acmeaff\"]")
        .credential("all", "orders_read = \"all\"\nanalytics = \"all\"")
        .caller("reader", "orders_read = [\"acme\"]")
        .caller("two", "orders_read = [\"acme\", \"zenith\"]")
        .caller("orbit", "orders_read = [\"orbit\"]")
        .caller("split", "orders_write = [\"acme\"]\nsubscription_modification = [\"zenith\"]")
        .caller("shop", zenith)
        .caller("nothing", "")
        .caller_with("inactive", &new_key(), "status = \"inactive\"", &acme)
        .caller_with("expired", &new_key(), "status = \"active\"\nexpires = 2020-01-01T00:00:00Z", &acme)
}

impl Stage {
    pub(super) async fn start(way: Way) -> Self {
        let setup = match way {
            Way::Tcp => setup(),
            Way::Tls => setup()
                .listen("address = \"127.0.0.1:0\"\ntls = { cert_file = \"gateway.pem\", key_file = \"gateway.key\" }"),
            Way::Unix => setup().listen("address = \"unix:proxy.sock\""),
        };
        let identity = Identity::make(Certificate::Good);
        let simulator = demo_simulator().await;
        let written = write_for(&setup, &simulator);
        written.file_for_owner("gateway.pem", &identity.certificate);
        written.file_for_owner("gateway.key", &identity.key);
        let gateway = start_gateway(&written).await;
        let client = client_config(certificates(identity.authority.as_bytes()).unwrap()).unwrap();

        let mut names = written.keys.clone();
        for (name, secret) in &written.credentials {
            names.insert(format!("clickbank {name}"), secret.clone());
        }
        names.insert("clickbank".to_owned(), simulator.address().to_string());
        let receipt_of = |seller: &str| {
            let world = simulator.world();
            let records = world.records();
            let alone = |receipt: &str| records.orders_of(receipt).all(|order| order.seller.to_string() == seller);
            records.orders.iter().find(|order| alone(&order.receipt)).unwrap().receipt.clone()
        };
        names.insert("receipt".to_owned(), receipt_of("acme"));
        names.insert("foreign receipt".to_owned(), receipt_of("zenith"));
        let smuggled = get("/rest/1.3/products/list?site=acme").replace("{app}", &names["app"]);
        names.insert("smuggled length".to_owned(), smuggled.len().to_string());
        names.insert("smuggled size".to_owned(), format!("{:x}", smuggled.len()));
        names.insert("smuggled".to_owned(), smuggled);
        Self { scene: Scene { simulator, gateway, written }, way, tls: TlsConnector::from(Arc::new(client)), names }
    }

    pub(super) async fn connect(&self) -> Connection {
        let written = &self.scene.written;
        match self.way {
            Way::Tcp => self.scene.connect().await,
            Way::Unix => Connection::open_unix(&written.path().join("proxy.sock"), &written.secrets).await,
            Way::Tls => {
                let connected = async {
                    let stream = TcpStream::connect(self.scene.address()).await?;
                    self.tls.connect("127.0.0.1".to_owned().try_into().unwrap(), stream).await
                };
                Connection::over(within("a connection", connected).await.unwrap(), &written.secrets)
            }
        }
    }

    /// Puts in what only a running scene knows, and then `{padding to 9}`, which makes 9 bytes of the whole.
    pub(super) fn fill(&self, template: &str) -> String {
        let known = |text: String, (name, value): (&String, &String)| text.replace(&format!("{{{name}}}"), value);
        let filled = self.names.iter().fold(template.to_owned(), known);
        let Some((before, rest)) = filled.split_once("{padding to ") else { return filled };
        let (length, after) = rest.split_once('}').unwrap();
        let padding = length.parse::<usize>().unwrap() - before.len() - after.len();
        format!("{before}{}{after}", "y".repeat(padding))
    }

    /// The bytes of a row's text.
    pub(super) fn bytes(&self, template: &str) -> Vec<u8> {
        self.fill(template).chars().map(|byte| u8::try_from(byte).expect("a character is a byte")).collect()
    }

    /// What has arrived since there were `before` requests.
    pub(super) fn arrived(&self, before: usize) -> Vec<String> {
        self.scene.received().iter().skip(before).map(head_of).collect()
    }

    /// Sends a row's bytes and says what is wrong with what comes of them, if anything is.
    async fn try_row(&self, row: &Row) -> Result<(), String> {
        let before = self.scene.received().len();
        let mut connection = self.connect().await;
        connection.send(self.bytes(&row.sent)).await;
        if row.ends {
            connection.end().await;
        }
        let mut got = Vec::new();
        let mut closes = row.got.is_empty() || row.ends || row.sent.contains(" HTTP/1.0\r\n");
        for _ in &row.got {
            let answer = if row.sent.starts_with("HEAD ") {
                Some(connection.answer_to_head().await)
            } else {
                connection.next_answer().await
            };
            let Some(answer) = answer else { break };
            closes |= answer.header("connection") == Some("close");
            got.push((answer.status, answer.code().map(str::to_owned)));
        }
        let mut wrong = String::new();
        let expected: Vec<_> = row.got.iter().map(|(status, code)| (*status, code.map(str::to_owned))).collect();
        if got != expected {
            writeln!(wrong, "got {got:?}, not {expected:?}").unwrap();
        }
        if closes {
            if let Some(more) = connection.next_answer().await {
                writeln!(wrong, "and then {:?}", more.outcome()).unwrap();
            }
        } else {
            connection.send("GET /last HTTP/1.1\r\nHost: gateway\r\nX-Request-Id: last-of-all\r\n\r\n").await;
            let last = connection.next_answer().await;
            let last = last.map(|last| (last.status, last.header("x-request-id").map(str::to_owned)));
            if last != Some((401, Some("last-of-all".to_owned()))) {
                writeln!(wrong, "it is out of step: {last:?}").unwrap();
            }
        }
        if closes != row.closes {
            writeln!(wrong, "the connection {}", if closes { "closes" } else { "stays open" }).unwrap();
        }
        let arrived = self.arrived(before);
        let expected: Vec<String> = row.arrives.iter().map(|head| self.fill(head)).collect();
        if arrived != expected {
            writeln!(wrong, "there arrives {arrived:#?}\ninstead of   {expected:#?}").unwrap();
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// Runs rows in order. Whatever arrives too late to be seen with its own row is seen with a later one.
    pub(super) async fn run<'a>(&self, rows: impl IntoIterator<Item = &'a (Class, Row)>) {
        let before = self.scene.received().len();
        let (mut wrong, mut expected) = (Vec::new(), 0);
        for (class, row) in rows {
            expected += row.arrives.len();
            if let Err(what) = self.try_row(row).await {
                wrong.push(format!("{class:?}, {}, over {:?}: {what}{:.600}\n", row.name, self.way, row.sent));
            }
        }
        assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
        assert_eq!(self.scene.received().len() - before, expected);
    }
}

/// The head of a request, byte for byte. None has a body.
fn head_of(received: &Received) -> String {
    assert_eq!(received.body_bytes, 0, "{received:?}");
    String::from_utf8(received.raw_head.clone()).unwrap()
}
