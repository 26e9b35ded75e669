//! Something between the gateway and the simulator that has the gateway killed at a chosen moment of an exchange, and
//! otherwise passes on whatever comes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use clickbank_gateway::simulator::Simulator;
use clickbank_gateway::tls::{certificates, client_config, server_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::upstream::{Certificate, Identity};

/// When the gateway is killed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// So many requests pass before.
    pub(super) after: u64,
    /// Whether only changes count.
    pub(super) of_changes: bool,
    pub(super) moment: Moment,
}

/// At which point of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// When it has come. It goes no further.
    Lost,
    /// When it has come. The first bytes of it go further.
    PartlyLost(usize),
    /// When it has come. It goes further afterwards.
    UnderWay,
    /// When it has gone further.
    PassedOn,
    /// When its answer begins to come.
    AnswerCame,
    /// When something of its answer has gone back.
    AnswerPassedOn,
}

struct Shared {
    simulator: SocketAddr,
    connector: TlsConnector,
    acceptor: TlsAcceptor,
    plan: Mutex<Option<Plan>>,
    kill: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

impl Shared {
    /// At which point of this request the gateway is to be killed.
    fn moment(&self, head: &[u8]) -> Option<Moment> {
        let mut plan = self.plan.lock().unwrap();
        let Plan { after, of_changes, moment } = plan.as_mut()?;
        if *of_changes && head.starts_with(b"GET ") {
            return None;
        }
        if *after > 0 {
            *after -= 1;
            return None;
        }
        let moment = *moment;
        *plan = None;
        Some(moment)
    }

    /// Has the gateway killed, and waits until it is.
    async fn kill(&self) {
        let (dead, is_dead) = oneshot::channel();
        // When nobody is there to kill it, it is over.
        if self.kill.send(dead).is_ok() {
            let _ = is_dead.await;
        }
    }
}

pub(super) struct Front {
    pub(super) url: String,
    pub(super) authority: String,
    shared: Arc<Shared>,
    /// Whoever wants the gateway killed, and waits for it.
    pub(super) wishes: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    _stop_on_drop: DropGuard,
}

impl Front {
    pub(super) async fn start(simulator: &Simulator) -> Self {
        let identity = Identity::make(Certificate::Good);
        let server = server_config(identity.certificate.as_bytes(), identity.key.as_bytes()).unwrap();
        let client = client_config(certificates(simulator.ca_pem().as_bytes()).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (kill, wishes) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            simulator: simulator.address(),
            connector: TlsConnector::from(Arc::new(client)),
            acceptor: TlsAcceptor::from(Arc::new(server)),
            plan: Mutex::new(None),
            kill,
        });
        let stop = CancellationToken::new();
        let (accept, stopped) = (accept(listener, Arc::clone(&shared)), stop.clone());
        tokio::spawn(async move {
            stopped.run_until_cancelled(accept).await;
        });
        Self { url, authority: identity.authority, shared, wishes, _stop_on_drop: stop.drop_guard() }
    }

    /// Has the gateway killed as this says, once; or not.
    pub(super) fn plan(&self, plan: Option<Plan>) {
        *self.shared.plan.lock().unwrap() = plan;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // However it ends, the gateway sees it, or is dead.
        tokio::spawn(async move { serve(stream, &shared).await.unwrap_or_default() });
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut gateway = shared.acceptor.accept(stream).await?;
    let stream = TcpStream::connect(shared.simulator).await?;
    stream.set_nodelay(true)?;
    let mut simulator = shared.connector.connect("localhost".try_into().unwrap(), stream).await?;
    let mut head = read_head(&mut gateway, Vec::new()).await?;
    loop {
        let moment = shared.moment(&head);
        if let Some(Moment::Lost | Moment::PartlyLost(_) | Moment::UnderWay) = moment {
            shared.kill().await;
        }
        let passed = match moment {
            Some(Moment::Lost) => 0,
            Some(Moment::PartlyLost(bytes)) => bytes.min(head.len() - 1),
            _ => head.len(),
        };
        simulator.write_all(&head[..passed]).await?;
        simulator.flush().await?;
        if passed < head.len() {
            return Ok(());
        }
        if moment == Some(Moment::PassedOn) {
            shared.kill().await;
        }
        let (mut answer, mut next) = ([0; 4096], [0; 1]);
        let mut began = false;
        loop {
            tokio::select! {
                length = simulator.read(&mut answer) => {
                    let length = length?;
                    if length == 0 {
                        return gateway.shutdown().await;
                    }
                    if !began && moment == Some(Moment::AnswerCame) {
                        shared.kill().await;
                    }
                    gateway.write_all(&answer[..length]).await?;
                    gateway.flush().await?;
                    if !began && moment == Some(Moment::AnswerPassedOn) {
                        shared.kill().await;
                    }
                    began = true;
                }
                length = gateway.read(&mut next) => {
                    if length? == 0 {
                        return Ok(());
                    }
                    break;
                }
            }
        }
        head = read_head(&mut gateway, next.to_vec()).await?;
    }
}

/// Everything up to the empty line. Requests of the gateway have nothing after it.
async fn read_head(stream: &mut TlsStream<TcpStream>, mut head: Vec<u8>) -> std::io::Result<Vec<u8>> {
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}
