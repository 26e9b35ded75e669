//! Something between the gateway and the simulator that passes bytes on and reads none of them, but can tell when a
//! request began.
//!
//! What the gateway has sent lies in a socket of the relay's at once, since all of it is one machine. So whoever looks
//! at the sockets when a reload is reported knows what was sent before. What the simulator has executed by then would
//! not tell it: it may still be about to read.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clickbank_gateway::simulator::Simulator;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::gate::Gate;

/// Records of TLS that are read by no one but the two ends.
const APPLICATION_DATA: u8 = 23;
/// In TLS 1.3 the first of these ends the client's part of the handshake. The next one begins its first request.
const BEFORE_REQUEST: usize = 1;

/// The records of TLS in what a client says.
#[derive(Default)]
struct Records {
    header: Vec<u8>,
    /// What is left of the record that has begun.
    left: usize,
    application_data: usize,
}

impl Records {
    fn hear(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len());
                self.left -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            if self.header.is_empty() && *first == APPLICATION_DATA {
                self.application_data += 1;
            }
            self.header.push(*first);
            if let [_, _, _, high, low] = self.header[..] {
                self.left = usize::from(u16::from_be_bytes([high, low]));
                self.header.clear();
            }
            bytes = rest;
        }
    }
}

/// What came from the gateway on one connection.
#[derive(Default)]
struct Heard {
    records: Records,
    /// What is not passed on yet.
    unsent: Vec<u8>,
    ended: bool,
    /// After how many looks the first request began.
    begun: Option<usize>,
}

struct Inbound {
    /// Reads without asking whether there is something to read.
    stream: std::net::TcpStream,
    heard: Mutex<Heard>,
    /// Somebody else has read.
    woken: Notify,
}

impl Inbound {
    /// Reads what has come by now.
    fn hear(&self, looks: &AtomicUsize) {
        let mut heard = self.heard();
        let looks = looks.load(Ordering::SeqCst);
        let mut piece = [0; 16 << 10];
        loop {
            match (&self.stream).read(&mut piece) {
                Ok(0) => heard.ended = true,
                Ok(length) => {
                    heard.records.hear(&piece[..length]);
                    heard.unsent.extend_from_slice(&piece[..length]);
                    if heard.records.application_data > BEFORE_REQUEST {
                        heard.begun.get_or_insert(looks);
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => heard.ended = true,
            }
            return;
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> (Vec<u8>, bool) {
        let mut heard = self.heard();
        (std::mem::take(&mut heard.unsent), heard.ended)
    }
}

#[derive(Default)]
struct Connections {
    alive: Vec<Arc<Inbound>>,
    /// By the number that the simulator gives a connection.
    numbered: HashMap<u64, Arc<Inbound>>,
}

struct Shared {
    simulator: SocketAddr,
    connections: Mutex<Connections>,
    looks: AtomicUsize,
    /// How many connections were made to the simulator.
    made: tokio::sync::Mutex<u64>,
    connecting: Gate,
    answering: Gate,
}

#[derive(Clone)]
pub(super) struct Relay {
    pub(super) url: String,
    shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

impl Relay {
    pub(super) async fn start(simulator: &Simulator) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            simulator: simulator.address(),
            connections: Mutex::default(),
            looks: AtomicUsize::new(0),
            made: tokio::sync::Mutex::new(0),
            connecting: Gate::new(),
            answering: Gate::new(),
        });
        let stop = CancellationToken::new();
        let (accept, stopped) = (accept(listener, Arc::clone(&shared)), stop.clone());
        tokio::spawn(async move { stopped.run_until_cancelled(accept).await });
        Self { url, shared, _stop: Arc::new(stop.drop_guard()) }
    }

    /// Where connections wait before a byte of them is passed on.
    pub(super) fn connecting(&self) -> &Gate {
        &self.shared.connecting
    }

    /// Where answers to requests wait.
    pub(super) fn answering(&self) -> &Gate {
        &self.shared.answering
    }

    /// Looks at what has come by now. Says how often it was looked before.
    pub(super) fn look(&self) -> usize {
        let Shared { looks, .. } = &*self.shared;
        for inbound in &self.shared.connections().alive {
            inbound.hear(looks);
            inbound.woken.notify_one();
        }
        looks.fetch_add(1, Ordering::SeqCst)
    }

    /// After how many looks the first request on this connection of the simulator's began.
    pub(super) fn begun(&self, number: u64) -> Option<usize> {
        let inbound = self.shared.connections().numbered.get(&number).cloned()?;
        inbound.heard().begun
    }

    /// Forgets connections that have ended.
    pub(super) fn forget_ended(&self) {
        self.shared.connections().numbered.retain(|_, inbound| !inbound.heard().ended);
    }
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let shared = Arc::clone(&shared);
        // However it ends, both ends see it.
        tokio::spawn(async move { relay(stream, &shared).await.unwrap_or_default() });
    }
}

async fn relay(stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let stream = stream.into_std()?;
    let inbound = Arc::new(Inbound { stream: stream.try_clone()?, heard: Mutex::default(), woken: Notify::new() });
    shared.connections().alive.push(Arc::clone(&inbound));
    let passed = pass(TcpStream::from_std(stream)?, &inbound, shared).await;
    shared.connections().alive.retain(|other| !Arc::ptr_eq(other, &inbound));
    passed
}

async fn pass(gateway: TcpStream, inbound: &Arc<Inbound>, shared: &Arc<Shared>) -> io::Result<()> {
    shared.connecting.pass().await;
    let simulator = {
        // In the order in which they are made the simulator counts them.
        let mut made = shared.made.lock().await;
        let simulator = TcpStream::connect(shared.simulator).await?;
        *made += 1;
        shared.connections().numbered.insert(*made, Arc::clone(inbound));
        simulator
    };
    simulator.set_nodelay(true)?;
    let (answers, mut requests) = simulator.into_split();
    let (asked, mut back) = gateway.into_split();
    let there = async {
        loop {
            tokio::select! {
                ready = asked.readable() => ready?,
                () = inbound.woken.notified() => {}
            }
            let _none_left = asked.as_ref().try_io(Interest::READABLE, || {
                inbound.hear(&shared.looks);
                Err::<(), _>(io::ErrorKind::WouldBlock.into())
            });
            let (bytes, ended) = inbound.take();
            requests.write_all(&bytes).await?;
            if ended {
                return requests.shutdown().await;
            }
        }
    };
    let (there, back) = tokio::join!(there, answer(answers, &mut back, inbound, shared));
    there.and(back)
}

async fn answer(
    mut answers: OwnedReadHalf,
    back: &mut OwnedWriteHalf,
    inbound: &Inbound,
    shared: &Shared,
) -> io::Result<()> {
    let mut piece = vec![0; 16 << 10];
    loop {
        let length = answers.read(&mut piece).await?;
        let is_answer = inbound.heard().begun.is_some();
        if is_answer {
            shared.answering.pass().await;
        }
        if length == 0 {
            return back.shutdown().await;
        }
        back.write_all(&piece[..length]).await?;
    }
}
