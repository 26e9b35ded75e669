//! The simulator behind a socket: HTTP/1.1 over TLS on loopback, with a record of what arrived.
//!
//! It makes a certificate authority of its own at each start; a client trusts [`Simulator::ca_pem`] and nothing else.
//! Every answer carries `Server: clickbank-simulator`, for this is not ClickBank.

mod connection;
mod received;
mod tap;
mod tls;

pub use received::Received;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::config::SimulatorConfig;
use super::keys::SimulatorKey;
use super::world::World;
use received::Log;

/// How long a connection may take to finish what it is answering once the simulator stops.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// How long the server waits after it could not accept a connection, for want of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every connection shares.
struct Shared {
    world: Mutex<World>,
    log: Mutex<Log>,
    stopping: CancellationToken,
}

/// A running simulator. Dropping it stops it, too, without waiting.
pub struct Simulator {
    address: SocketAddr,
    ca_pem: String,
    keys: Vec<SimulatorKey>,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    _stop_on_drop: DropGuard,
}

impl Simulator {
    /// Starts a simulator; it answers as soon as this returns.
    ///
    /// # Errors
    ///
    /// When the address is not a loopback address, or cannot be bound, or no certificate can be made.
    pub async fn start(config: SimulatorConfig) -> io::Result<Self> {
        if !config.address.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("the simulator listens on loopback only (127.0.0.1 or ::1), not on {}", config.address.ip()),
            ));
        }
        let identity = tls::Identity::make().map_err(io::Error::other)?;
        let listener = TcpListener::bind(config.address).await?;
        let address = listener.local_addr()?;
        let world = World::new(config.settings, config.spec);
        let keys = world.keys().to_vec();
        let stopping = CancellationToken::new();
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            log: Mutex::new(Log::keeping(config.received_kept)),
            stopping: stopping.clone(),
        });
        let tasks = TaskTracker::new();
        let acceptor = TlsAcceptor::from(identity.server_config);
        tasks.spawn(accept(listener, acceptor, Arc::clone(&shared), tasks.clone()));
        Ok(Self { address, ca_pem: identity.ca_pem, keys, shared, tasks, _stop_on_drop: stopping.drop_guard() })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
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
        &self.keys
    }

    /// The world, locked: no request is answered while the guard lives.
    pub fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.shared.world)
    }

    /// The last requests that arrived, the oldest first. Requests that are no HTTP are not among them.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.log).entries()
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

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>, tasks: TaskTracker) {
    let mut connection = 0;
    loop {
        let accepted = tokio::select! {
            () = shared.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _peer)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        connection += 1;
        let serving = connection::serve(stream, acceptor.clone(), Arc::clone(&shared), connection);
        tasks.spawn(serving);
    }
}

/// Locks `mutex`. A panic elsewhere leaves the simulator usable: a test should fail for its own reason.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
