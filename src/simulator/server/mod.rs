//! The simulator behind a socket: HTTP/1.1 over TLS on loopback, with a record of what arrived.
//!
//! On its way to the world a request meets the record, the limits, and the faults, in this order (`Shared::decide`).
//!
//! It makes a certificate authority of its own at each start; a client trusts [`Simulator::ca_pem`] and nothing else.
//! Every answer carries `Server: clickbank-simulator`, for this is not ClickBank.

mod connection;
mod control;
mod received;
mod script;
mod tap;
mod tls;

pub use received::{Outcome, Received};

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::config::SimulatorConfig;
use super::fault::{ActiveFault, Fault, FaultRule, RuleError, Rules, Seen};
use super::keys::SimulatorKey;
use super::limit::{Limiter, Over};
use super::world::World;
use received::Log;

/// How long a connection may take to finish what it is answering once the simulator stops.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// How long the server waits after it could not accept a connection, for want of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every connection shares.
struct Shared {
    world: Mutex<World>,
    /// The world as it was at the start.
    first: World,
    keys: Vec<SimulatorKey>,
    desk: Mutex<Desk>,
    stopping: CancellationToken,
}

/// Where requests are recorded, counted, and given their faults.
struct Desk {
    log: Log,
    limiter: Limiter,
    rules: Rules,
}

/// What is to be done with a request.
enum Decision {
    Answer,
    Refuse(Over),
    Fault(Fault),
}

impl Shared {
    /// Records a request, counts it, and says what is to be done with it. A request over a limit meets no fault.
    fn decide(&self, mut received: Received, address: IpAddr) -> Decision {
        let key = received.header("authorization").and_then(|value| key_in(&self.keys, value));
        let account = key.filter(|key| key.is_active()).map(SimulatorKey::primary);
        let key = key.map(SimulatorKey::name);
        let mut desk = lock(&self.desk);
        let seen = Seen { method: &received.method, target: &received.target, key };
        let (outcome, decision) = if let Err(over) = desk.limiter.admit(address, account, Instant::now()) {
            (Outcome::Limited, Decision::Refuse(over))
        } else if let Some((id, fault)) = desk.rules.choose(seen) {
            (Outcome::Faulted(id), Decision::Fault(fault))
        } else {
            (Outcome::Answered, Decision::Answer)
        };
        received.outcome = outcome;
        received.key = key.map(str::to_owned);
        desk.log.push(received);
        decision
    }

    fn add_fault(&self, rule: FaultRule) -> Result<u64, RuleError> {
        rule.check_key(self.keys.iter().map(SimulatorKey::name))?;
        lock(&self.desk).rules.add(rule).ok_or_else(|| RuleError {
            field: "fault".to_owned(),
            message: format!("there are {} rules already", Rules::MOST),
            mend: "remove some first".to_owned(),
        })
    }

    fn reset(&self) {
        let mut world = lock(&self.world);
        let mut desk = lock(&self.desk);
        *world = self.first.clone();
        desk.log.clear();
        desk.limiter.reset();
        desk.rules.clear();
    }
}

/// The key whose text `authorization` carries, where services look for it: behind the last colon, if there is one.
fn key_in<'a>(keys: &'a [SimulatorKey], authorization: &str) -> Option<&'a SimulatorKey> {
    let text = authorization.rsplit(':').next().unwrap_or_default().trim();
    keys.iter().find(|key| key.secret().expose() == text)
}

/// A running simulator. Dropping it stops it, too, without waiting.
pub struct Simulator {
    address: SocketAddr,
    control_address: Option<SocketAddr>,
    ca_pem: String,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    _stop_on_drop: DropGuard,
}

impl Simulator {
    /// Starts a simulator; it answers as soon as this returns.
    ///
    /// # Errors
    ///
    /// When an address is not a loopback address, or cannot be bound, or no certificate can be made, or a fault is for
    /// a key that there is not.
    pub async fn start(config: SimulatorConfig) -> io::Result<Self> {
        let identity = tls::Identity::make().map_err(io::Error::other)?;
        let listener = bind(config.address).await?;
        let address = listener.local_addr()?;
        let control = match config.control {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let control_address = control.as_ref().map(TcpListener::local_addr).transpose()?;
        let world = World::new(config.settings, config.spec);
        let stopping = CancellationToken::new();
        let shared = Arc::new(Shared {
            first: world.clone(),
            keys: world.keys().to_vec(),
            world: Mutex::new(world),
            desk: Mutex::new(Desk {
                log: Log::keeping(config.received_kept),
                limiter: Limiter::new(config.limits),
                rules: Rules::new(),
            }),
            stopping: stopping.clone(),
        });
        for rule in config.faults {
            shared.add_fault(rule).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        }
        let tasks = TaskTracker::new();
        let acceptor = TlsAcceptor::from(identity.server_config);
        tasks.spawn(accept(listener, acceptor, Arc::clone(&shared), tasks.clone()));
        if let Some(control) = control {
            tasks.spawn(control::accept(control, Arc::clone(&shared), tasks.clone()));
        }
        let ca_pem = identity.ca_pem;
        Ok(Self { address, control_address, ca_pem, shared, tasks, _stop_on_drop: stopping.drop_guard() })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for whoever controls it, if it does.
    #[must_use]
    pub fn control_address(&self) -> Option<SocketAddr> {
        self.control_address
    }

    /// Its base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate of the authority that signed its certificate. The latter is good for `localhost`, 127.0.0.1 and
    /// `::1`.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The keys that it was started with.
    #[must_use]
    pub fn keys(&self) -> &[SimulatorKey] {
        &self.shared.keys
    }

    /// The world, locked: no request is answered while the guard lives.
    pub fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.shared.world)
    }

    /// The last requests that arrived, the oldest first. Requests that are no HTTP are not among them.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.desk).log.entries()
    }

    /// Forgets the requests that arrived so far.
    pub fn clear_received(&self) {
        lock(&self.shared.desk).log.clear();
    }

    /// Adds a fault behind those in force and returns its number.
    ///
    /// # Errors
    ///
    /// When it is for a key that there is not, or there are too many.
    pub fn add_fault(&self, rule: FaultRule) -> Result<u64, RuleError> {
        self.shared.add_fault(rule)
    }

    /// The faults in force, the expired ones included, in the order in which they were added.
    #[must_use]
    pub fn faults(&self) -> Vec<ActiveFault> {
        lock(&self.shared.desk).rules.all().to_vec()
    }

    /// Removes a fault; says whether there was one of this number.
    #[must_use]
    pub fn remove_fault(&self, id: u64) -> bool {
        lock(&self.shared.desk).rules.remove(id)
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        lock(&self.shared.desk).rules.clear();
    }

    /// Puts the world back to what it was at the start, and forgets faults, requests, and what counts for the limits.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Stops accepting, gives the requests being answered a few seconds to finish, and closes every connection.
    pub async fn stop(self) {
        self.shared.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Simulator").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Listens at `address`, if that is on loopback.
async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    if !address.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the simulator listens on loopback only (127.0.0.1 or ::1), not on {}", address.ip()),
        ));
    }
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>, tasks: TaskTracker) {
    let mut connection = 0;
    loop {
        let accepted = tokio::select! {
            () = shared.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // A connection that is gone already shows when it is read.
        let _ = stream.set_nodelay(true);
        connection += 1;
        let from = connection::Peer { number: connection, address: peer.ip() };
        let serving = connection::serve(stream, acceptor.clone(), Arc::clone(&shared), from);
        tasks.spawn(serving);
    }
}

/// Locks `mutex`. A panic elsewhere leaves the simulator usable: a test should fail for its own reason.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
