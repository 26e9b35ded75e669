//! Something in ClickBank's place that speaks TLS and answers with any bytes, or with none.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use clickbank_gateway::tls::server_config;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::scene::{address_of, start_gateway};
use super::setup::{Setup, Written};
use super::wire::{Answer, Connection};
use clickbank_gateway::server::Gateway;

/// The ClickBank key of every credential here.
pub(crate) const API_KEY: &str = "API-7K3PLANTEDQ9X2CLICKBANKKEY8W";

/// What to do with a request whose head has come.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Send these bytes, and wait for the next request.
    Answer(String),
    /// Send these bytes, and close.
    AnswerAndClose(String),
    /// Send these bytes, and nothing more, until the other side gives up.
    AnswerAndHold(String),
    /// Send these bytes once told to.
    AnswerWhenTold(String),
}

impl Act {
    /// A well-formed answer in plain text.
    pub(crate) fn plain(status: &str, body: &str) -> Self {
        Self::Answer(answer(status, "Content-Type: text/plain\r\n", body))
    }
}

/// An answer with the length of its body.
pub(crate) fn answer(status: &str, lines: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{lines}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certificate {
    Good,
    OfAnotherAuthority,
    OfAnotherName,
    Expired,
    NotYetValid,
    /// No TLS at all.
    None,
}

/// A certificate and its key, and the authority's certificate that a client is told to trust, all PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) authority: String,
}

impl Identity {
    pub(crate) fn make(kind: Certificate) -> Self {
        let authority = || {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
        };
        let (trusted, other) = (authority(), authority());
        let name = if kind == Certificate::OfAnotherName { "api.example.com" } else { "127.0.0.1" };
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        match kind {
            Certificate::Expired => params.not_after = rcgen::date_time_ymd(2020, 1, 1),
            Certificate::NotYetValid => params.not_before = rcgen::date_time_ymd(4000, 1, 1),
            _ => {}
        }
        let key = KeyPair::generate().unwrap();
        let issuer = if kind == Certificate::OfAnotherAuthority { &other } else { &trusted };
        let certificate = params.signed_by(&key, issuer).unwrap().pem();
        Self { certificate, key: key.serialize_pem(), authority: trusted.pem() }
    }
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    /// The heads of all requests.
    heads: Mutex<Vec<String>>,
    arrived: Notify,
    told: Notify,
}

/// The upstream, and a gateway before it.
pub(crate) struct Trouble {
    pub(crate) gateway: Gateway,
    pub(crate) written: Written,
    seen: Arc<Seen>,
    _stop: DropGuard,
}

/// An upstream alone.
pub(crate) struct Upstream {
    pub(crate) url: String,
    pub(crate) authority: String,
    seen: Arc<Seen>,
    stop: DropGuard,
}

impl Upstream {
    /// An upstream that does with request number n, from 0, what `act` says. Probes are not counted.
    pub(crate) async fn start(kind: Certificate, act: impl Fn(usize) -> Act + Send + Sync + 'static) -> Self {
        let identity = Identity::make(kind);
        let tls = (kind != Certificate::None).then(|| {
            let config = server_config(identity.certificate.as_bytes(), identity.key.as_bytes()).unwrap();
            TlsAcceptor::from(Arc::new(config))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (seen, stop) = (Arc::new(Seen::default()), CancellationToken::new());
        let (accept, stopped) = (accept(listener, tls, Arc::clone(&seen), Arc::new(act), stop.clone()), stop.clone());
        tokio::spawn(async move { stopped.run_until_cancelled(accept).await });
        Self { url, authority: identity.authority, seen, stop: stop.drop_guard() }
    }

    /// Writes the setup for it.
    pub(crate) fn write(&self, setup: &Setup) -> Written {
        setup.write(&self.url, &self.authority, |_| API_KEY.to_owned())
    }

    /// With a gateway before it.
    pub(crate) async fn behind(self, setup: &Setup) -> Trouble {
        let written = self.write(setup);
        self.behind_written(written).await
    }

    /// With a gateway that is configured otherwise.
    pub(crate) async fn behind_written(self, written: Written) -> Trouble {
        let gateway = start_gateway(&written).await;
        Trouble { gateway, written, seen: self.seen, _stop: self.stop }
    }

    /// Waits until a request has come.
    pub(crate) async fn arrival(&self) {
        super::within("a request at the upstream", self.seen.arrived.notified()).await;
    }

    /// Lets it send what it holds back.
    pub(crate) fn tell(&self) {
        self.seen.told.notify_one();
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().unwrap().clone()
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    seen: Arc<Seen>,
    act: Arc<dyn Fn(usize) -> Act + Send + Sync>,
    stop: CancellationToken,
) {
    while let Ok((stream, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        stream.set_nodelay(true).unwrap();
        let (tls, seen, act, stop) = (tls.clone(), Arc::clone(&seen), Arc::clone(&act), stop.clone());
        tokio::spawn(async move { stop.run_until_cancelled(serve(stream, tls, &seen, &*act)).await });
    }
}

async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, seen: &Seen, act: &(dyn Fn(usize) -> Act + Send + Sync)) {
    match tls {
        None => {
            let mut stream = stream;
            // What a server says that is spoken TLS to by mistake.
            let _ = stream.write_all(answer("400 Bad Request", "", "").as_bytes()).await;
            exchange(stream, seen, act).await;
        }
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                exchange(stream, seen, act).await;
            }
        }
    }
}

async fn exchange<S>(mut stream: S, seen: &Seen, act: &(dyn Fn(usize) -> Act + Send + Sync))
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(head) = read_head(&mut stream).await {
        // A probe comes when it likes, so it is no part of what was planned: it is told nothing, on a connection of its own.
        if head.starts_with("GET /rest/1.3/quickstats/accounts ") {
            seen.connections.fetch_sub(1, Ordering::SeqCst);
            let _ = stream.write_all(answer("503 Service Unavailable", "Connection: close\r\n", "").as_bytes()).await;
            let _ = stream.shutdown().await;
            return;
        }
        let number = {
            let mut heads = seen.heads.lock().unwrap();
            heads.push(head);
            heads.len() - 1
        };
        seen.arrived.notify_one();
        let (bytes, then) = match act(number) {
            Act::Answer(bytes) => (bytes, true),
            Act::AnswerWhenTold(bytes) => {
                seen.told.notified().await;
                (bytes, true)
            }
            Act::AnswerAndClose(bytes) => (bytes, false),
            Act::AnswerAndHold(bytes) => {
                let _ = stream.write_all(bytes.as_bytes()).await;
                let _ = stream.flush().await;
                let _ = stream.read(&mut [0]).await;
                return;
            }
        };
        // The gateway may have hung up, and is right to.
        let _ = stream.write_all(bytes.as_bytes()).await;
        let _ = stream.flush().await;
        if !then {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// Everything up to the empty line; requests of the gateway have nothing after it.
async fn read_head<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

impl Trouble {
    pub(crate) fn address(&self) -> SocketAddr {
        address_of(&self.gateway)
    }

    pub(crate) async fn call(&self, method: &str, target: &str) -> Answer {
        self.call_as("app", method, target).await
    }

    pub(crate) async fn call_as(&self, caller: &str, method: &str, target: &str) -> Answer {
        let mut connection = Connection::open(self.address(), &self.written.secrets).await;
        let key = &self.written.keys[caller];
        connection.send(format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n")).await;
        connection.answer().await
    }

    /// The heads of all requests that have arrived.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().unwrap().clone()
    }

    /// Lets the upstream send what it holds back.
    pub(crate) fn tell(&self) {
        self.seen.told.notify_one();
    }

    /// How many connections were made to it.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }
}
