//! Something between the gateway and the simulator that makes trouble of connections, and holds back what passes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use clickbank_gateway::simulator::Simulator;
use clickbank_gateway::tls::{certificates, client_config, server_config};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

use crate::support::gate::Gate;
use crate::support::upstream::{Certificate, Identity};

/// What becomes of connections that are made from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing.
    None,
    /// They are taken, and nothing is said on them.
    Silent,
    /// What is said on them is no TLS.
    NoTls,
    /// They end when TLS is agreed upon.
    EndAfterTls,
    /// They end when a part of a request has come.
    EndInRequest,
    /// Nothing is said on them until the gate opens.
    HeldBeforeTls,
    /// Answers to changes are there, and come once the gate opens.
    AnswerHeld,
    /// Answers to changes are there, and when the gate opens the connection ends in their place.
    AnswerLost,
}

struct Shared {
    simulator: SocketAddr,
    connector: TlsConnector,
    acceptor: TlsAcceptor,
    trouble: Mutex<Trouble>,
    look_ups: Gate,
    changes: Gate,
    /// What came on connections that had ended.
    came_late: Mutex<Vec<Vec<u8>>>,
    /// How many requests have ended as they began.
    cut_off: AtomicUsize,
}

pub(super) struct Front {
    pub(super) url: String,
    pub(super) authority: String,
    shared: Arc<Shared>,
    stop: CancellationToken,
    accepting: tokio::sync::Mutex<JoinHandle<()>>,
}

impl Front {
    pub(super) async fn start(simulator: &Simulator) -> Self {
        let identity = Identity::make(Certificate::Good);
        let server = server_config(identity.certificate.as_bytes(), identity.key.as_bytes()).unwrap();
        let client = client_config(certificates(simulator.ca_pem().as_bytes()).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            simulator: simulator.address(),
            connector: TlsConnector::from(Arc::new(client)),
            acceptor: TlsAcceptor::from(Arc::new(server)),
            trouble: Mutex::new(Trouble::None),
            look_ups: Gate::new(),
            changes: Gate::new(),
            came_late: Mutex::default(),
            cut_off: AtomicUsize::new(0),
        });
        let stop = CancellationToken::new();
        let (accept, stopped) = (accept(listener, Arc::clone(&shared)), stop.clone());
        let accepting = tokio::spawn(async move {
            stopped.run_until_cancelled(accept).await;
        });
        Self { url, authority: identity.authority, shared, stop, accepting: accepting.into() }
    }

    pub(super) fn make(&self, trouble: Trouble) {
        *self.shared.trouble.lock().unwrap() = trouble;
    }

    /// Takes no more connections. Those that there are go on.
    pub(super) async fn refuse_connections(&self) {
        self.stop.cancel();
        let mut accepting = self.accepting.lock().await;
        (&mut *accepting).await.unwrap();
    }

    /// Where answers to look-ups of orders wait to be asked for.
    pub(super) fn look_ups(&self) -> &Gate {
        &self.shared.look_ups
    }

    /// Where changes wait, as [`Trouble`] says.
    pub(super) fn changes(&self) -> &Gate {
        &self.shared.changes
    }

    /// How many requests have come of which only a part was read.
    pub(super) fn cut_off(&self) -> usize {
        self.shared.cut_off.load(Ordering::SeqCst)
    }

    /// Whether anything of a request for this path came on a connection that had ended.
    pub(super) fn came_late(&self, path: &str) -> bool {
        let came = self.shared.came_late.lock().unwrap();
        came.iter().any(|bytes| String::from_utf8_lossy(bytes).contains(path))
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let shared = Arc::clone(&shared);
        // However it ends, the gateway sees it.
        tokio::spawn(async move { serve(stream, &shared).await.unwrap_or_default() });
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let trouble = *shared.trouble.lock().unwrap();
    match trouble {
        Trouble::Silent => {
            stream.read_to_end(&mut Vec::new()).await?;
            return Ok(());
        }
        Trouble::NoTls => {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?;
            return stream.shutdown().await;
        }
        Trouble::HeldBeforeTls => shared.changes.pass().await,
        _ => {}
    }
    let mut stream = shared.acceptor.accept(stream).await?;
    if trouble == Trouble::EndAfterTls {
        stream.shutdown().await?;
        let mut late = Vec::new();
        // As far as it comes: who sees the end may cut the connection off.
        let _ = stream.read_to_end(&mut late).await;
        shared.came_late.lock().unwrap().push(late);
        return Ok(());
    }
    if trouble == Trouble::EndInRequest {
        stream.read_exact(&mut [0; 10]).await?;
        shared.cut_off.fetch_add(1, Ordering::SeqCst);
        return Ok(());
    }
    let mut simulator = connect(shared).await?;
    loop {
        let head = read_head(&mut stream).await?;
        let is_change = !head.starts_with("GET ");
        if head.starts_with("GET /rest/1.3/orders2/") {
            shared.look_ups.pass().await;
        }
        simulator.write_all(head.as_bytes()).await?;
        let answer = read_answer(&mut simulator).await?;
        if is_change && matches!(trouble, Trouble::AnswerHeld | Trouble::AnswerLost) {
            shared.changes.pass().await;
            if trouble == Trouble::AnswerLost {
                return stream.shutdown().await;
            }
        }
        stream.write_all(&answer).await?;
        stream.flush().await?;
    }
}

async fn connect(shared: &Shared) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(shared.simulator).await?;
    stream.set_nodelay(true)?;
    shared.connector.connect("localhost".try_into().unwrap(), stream).await
}

/// Everything up to the empty line. Requests of the gateway have nothing after it.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8(head).unwrap())
}

/// A whole answer of the simulator's.
async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let head = read_head(stream).await?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await?;
    Ok([head.into_bytes(), body].concat())
}
