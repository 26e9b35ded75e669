//! Listening, connections, and the end of both.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{CredentialState, KeyStates, Office, Status, Switched};
use crate::config::{Config, Fixed, ListenAddress};
use crate::connection::{self, Reception, Slots};
use crate::domain::credential::CredentialId;
use crate::domain::matrix::Policy;
use crate::health::{Health, serve_health};
use crate::keys::expiry::Said;
use crate::last_use::LastUse;
use crate::ledger::{CapCounter, Ledger, Moment, OpenError};
use crate::limit::{Pace, Quota};
use crate::listen::{Access, Listener};
use crate::metrics::exposition::{Exposition, Running};
use crate::pipeline::{Shared, pipeline, probing};
use crate::probe::{self, Prober, StandIns};
use crate::reload::{self, Outcome, Reload};
use crate::roster::Roster;

/// Open files that are not for connections of callers, but for those to ClickBank, for listeners, logs and state.
const OTHER_FILES: u64 = 1_536;
/// How often it is looked which keys are about to expire.
const LOOK_AT_EXPIRY_EVERY: Duration = Duration::from_hours(1);
/// So many of them are named in the log at one time.
const MOST_EXPIRING: usize = 20;
/// How often the count of the day's requests is written down.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// When keys were last used is written down every so many times that the count is: with 100,000 keys it is megabytes, and
/// nobody counts on the last minute of it.
const ROUNDS_PER_LAST_USE: u32 = 12;

/// Why the gateway could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which one.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The state directory cannot be used.
    #[error("cannot use the state directory {directory}")]
    State {
        /// Which one.
        directory: String,
        /// Why not.
        source: io::Error,
    },
    /// What is remembered of changes cannot be used.
    #[error(transparent)]
    Ledger(#[from] OpenError),
}

/// A gateway that is serving.
#[derive(Debug)]
pub struct Gateway {
    address: ListenAddress,
    health_address: std::net::SocketAddr,
    admin_address: Option<ListenAddress>,
    health: Arc<Health>,
    stop: CancellationToken,
    stop_health: CancellationToken,
    connections: TaskTracker,
    background: TaskTracker,
    pace: Arc<Pace>,
    carried: TaskTracker,
    reload: Arc<Reload>,
    state: Option<State>,
}

/// What is kept in the state directory.
#[derive(Clone, Debug)]
struct State {
    directory: PathBuf,
    ledger: Ledger,
    quota: Arc<Quota>,
    last_use: Arc<LastUse>,
    reload: Arc<Reload>,
}

impl Gateway {
    /// Binds every address, then serves.
    ///
    /// # Errors
    /// When an address cannot be listened on or the state directory cannot be used. Then nothing is left behind.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let (quota, last_use, ledger) = match &config.state {
            Some(directory) => {
                let (quota, last_use) = open_state(directory)
                    .map_err(|source| StartError::State { directory: directory.display().to_string(), source })?;
                (quota, last_use, Some(Ledger::open(directory, config.upstream.max_answer)?))
            }
            None => (Quota::default(), LastUse::begin(SystemTime::now()), None),
        };
        let last_use = Arc::new(last_use);
        let (listener, address) = bind(&config.listen.address, Access::Umask).await?;
        let on_health = |source| StartError::Listen { address: config.health.to_string(), source };
        let health_listener = TcpListener::bind(config.health).await.map_err(on_health)?;
        let health_address = health_listener.local_addr().map_err(on_health)?;
        let health_listener = Listener::Tcp(health_listener);

        let (admin, admin_address) = match &config.admin {
            Some(admin) => {
                bind(&admin.address, Access::Owner).await.map(|(bound, address)| (Some(bound), Some(address)))?
            }
            None => (None, None),
        };

        let health = Arc::new(Health::default());
        let fixed = Fixed::of(&config);
        let tls = config.listen.tls.map(|tls| Arc::new(ArcSwap::new(tls)));
        let caps = ledger.as_ref().map_or_else(CapCounter::in_memory, |ledger| ledger.caps().clone());
        let shared = Shared { quota: Arc::new(quota), ledger, caps, ..Shared::new(Arc::new(config.snapshot)) };
        if config.state.as_ref().is_some_and(|directory| directory.join(SWITCH).exists()) {
            shared.departures.stop(true);
            tracing::warn!(
                "changes are switched off, as an operator left them; `clickbank-gateway changes allow` lets them out"
            );
        }
        let reload = Reload::new(
            (config.file, config.sources),
            fixed,
            Arc::clone(&shared.current),
            tls.clone(),
            Arc::clone(&health),
            Arc::clone(&last_use),
            Arc::clone(&shared.departures),
        );
        let reload = Arc::new(reload);
        let state = config.state.zip(shared.ledger.clone()).map(|(directory, ledger)| State {
            directory,
            ledger,
            quota: Arc::clone(&shared.quota),
            last_use,
            reload: Arc::clone(&reload),
        });
        let gateway = Self {
            address,
            health_address,
            admin_address,
            health,
            stop: CancellationToken::new(),
            stop_health: CancellationToken::new(),
            connections: TaskTracker::new(),
            background: TaskTracker::new(),
            pace: Arc::clone(&shared.pace),
            carried: shared.carried.clone(),
            reload,
            state,
        };
        let accept = Accept {
            listener,
            reception: Arc::new(Reception {
                tls,
                pipeline: pipeline(&shared, &config.upstream),
                metrics: Arc::clone(&shared.metrics),
                stop: gateway.stop.clone(),
            }),
            slots: Slots::new(most_connections(config.listen.max_connections)),
            connections: gateway.connections.clone(),
        };
        gateway.background.spawn(accept.run());
        gateway.background.spawn(reload::follow(Arc::clone(&gateway.reload), gateway.stop.clone()));
        gateway.background.spawn(warn_of_expiry(Arc::clone(&gateway.reload), gateway.stop.clone()));
        let prober = Prober::new(probing(&shared, &config.upstream), Arc::clone(&shared.current));
        gateway.background.spawn(prober.run(gateway.stop.clone()));
        let running = gateway.running(shared);
        let exposition = Exposition::new(running.clone());
        let (health, stop) = (Arc::clone(&gateway.health), gateway.stop_health.clone());
        gateway.background.spawn(serve_health(health_listener, health, exposition, stop));
        if let (Some(listener), Some(admin)) = (admin, config.admin) {
            let (address, upstream) = (gateway.address.to_string(), config.upstream.authority.to_string());
            let state = gateway.state.as_ref().map(|state| state.directory.clone());
            let office = GatewayOffice { state, address, upstream, running };
            gateway.background.spawn(crate::admin::serve(listener, admin.token, office, gateway.stop_health.clone()));
        }
        if let Some(state) = gateway.state.clone() {
            gateway.background.spawn(state.keep(gateway.stop.clone()));
        }
        gateway.health.set_ready();
        Ok(gateway)
    }

    /// Itself, as far as it is told in numbers, from now on.
    fn running(&self, shared: Shared) -> Running {
        Running {
            shared,
            reload: Arc::clone(&self.reload),
            health: Arc::clone(&self.health),
            connections: self.connections.clone(),
            started: SystemTime::now(),
        }
    }

    /// How many requests wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pace.waiting()
    }

    /// What reads the configuration again.
    #[must_use]
    pub const fn reload(&self) -> &Arc<Reload> {
        &self.reload
    }

    /// Where callers connect; the port that was picked, if the configuration left it open.
    #[must_use]
    pub const fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Where `/livez`, `/readyz` and `/metrics` answer.
    #[must_use]
    pub const fn health_address(&self) -> std::net::SocketAddr {
        self.health_address
    }

    /// Where operators ask, if anywhere.
    #[must_use]
    pub const fn admin_address(&self) -> Option<&ListenAddress> {
        self.admin_address.as_ref()
    }

    /// Says "not ready", takes no more connections, lets requests in flight finish, and gives up on them after
    /// `deadline`. Returns whether all finished.
    pub async fn drain(self, deadline: Duration) -> bool {
        self.health.set_draining();
        self.stop.cancel();
        self.connections.close();
        let all = async {
            self.connections.wait().await;
            // Nobody waits for these but whoever wants to know what came of them.
            self.carried.close();
            self.carried.wait().await;
        };
        let finished = timeout(deadline, all).await.is_ok();
        if let Some(state) = &self.state {
            state.save_quota();
            state.save_last_use();
        }
        self.stop_health.cancel();
        self.background.close();
        // With the listeners go their sockets' files. Nothing of this waits for anybody, so it takes no time.
        let _ = timeout(Duration::from_secs(1), self.background.wait()).await;
        finished
    }
}

/// A gateway as operators are told of it.
#[derive(Clone)]
struct GatewayOffice {
    /// Where the switch for changes is kept.
    state: Option<PathBuf>,
    address: String,
    upstream: String,
    running: Running,
}

impl Office for GatewayOffice {
    fn status(&self) -> Status {
        let Running { shared, reload, health, connections, started } = &self.running;
        let snapshot = shared.current.load();
        let (spent, allowed) = shared.quota.spent(&snapshot.limits, SystemTime::now());
        Status {
            version: env!("CARGO_PKG_VERSION"),
            state: health.word(),
            configuration: reload.standing(),
            uptime_seconds: started.elapsed().unwrap_or_default().as_secs(),
            address: self.address.clone(),
            upstream: self.upstream.clone(),
            keys: snapshot.keys.len(),
            key_states: KeyStates::of(&snapshot.keys, Timestamp::now()),
            nicknames: snapshot.policy.nicknames.len(),
            credentials: snapshot.policy.credentials.len(),
            connections: connections.len(),
            changes: if snapshot.policy.changes.allowed && !shared.departures.are_stopped() {
                "allowed"
            } else {
                "stopped"
            },
            in_flight: shared.flights.under_way(),
            waiting: shared.pace.waiting(),
            requests_in_24_hours: spent,
            requests_allowed: allowed,
            credential_states: credential_states(&snapshot.policy),
            since_start: shared.metrics.counts(),
        }
    }

    fn stop_changes(&self, stopped: bool) -> Switched {
        let departures = &self.running.shared.departures;
        // Written down first: what is stopped stays so whatever happens.
        let written = self.state.as_deref().map(|directory| write_switch(directory, stopped));
        departures.stop(stopped);
        let changes = if stopped { "stopped" } else { "allowed" };
        tracing::warn!(changes, "an operator has switched changes");
        let problem = match &written {
            Some(Err(error)) => Some(error.to_string()),
            _ => None,
        };
        Switched { changes, outlives_restart: matches!(written, Some(Ok(()))), problem }
    }

    fn roster(&self) -> Roster {
        Roster::of(&self.running.shared.current.load_full(), Timestamp::now())
    }

    fn reload(&self) -> Outcome {
        self.running.reload.now()
    }
}

/// What is known of each credential, in the order of the configuration.
fn credential_states(policy: &Policy) -> Vec<CredentialState> {
    let credentials = &policy.credentials;
    let state = |(id, name, _): (CredentialId, &str, &_)| {
        let is_dead = credentials.is_dead(id);
        let stand_ins = if is_dead { probe::stand_ins(policy, id) } else { StandIns::default() };
        CredentialState {
            name: name.to_owned(),
            state: credentials.life(id).as_str(),
            reach: match (credentials.is_doubted(id), credentials.is_narrower(id), credentials.is_seen(id)) {
                (true, true, _) => "wider and narrower than declared",
                (true, false, _) => "wider than declared",
                (false, true, _) => "narrower than declared",
                (false, false, true) => "as declared",
                (false, false, false) => "not seen",
            },
            is_probed: probe::probe_of(policy, id).is_some(),
            instead: stand_ins.credentials.iter().map(|id| credentials.name(*id).to_owned()).collect(),
            lacking: stand_ins.lacking,
        }
    };
    credentials.iter().map(state).collect()
}

/// How many connections of callers there may be, with the files that the system grants.
fn most_connections(wanted: usize) -> usize {
    let files = crate::process::open_files();
    let granted = usize::try_from(files.saturating_sub(OTHER_FILES).max(files / 2)).unwrap_or(usize::MAX);
    if granted < wanted {
        tracing::warn!(
            wanted,
            granted,
            open_files = files,
            "fewer connections than `max_connections` fit into the open files that the system grants; raise `ulimit -n`"
        );
    }
    wanted.min(granted)
}

async fn bind(address: &ListenAddress, access: Access) -> Result<(Listener, ListenAddress), StartError> {
    let failed = |source| StartError::Listen { address: address.to_string(), source };
    let listener = Listener::bind(address, access).await.map_err(failed)?;
    let address = listener.address().map_err(failed)?;
    Ok((listener, address))
}

/// It is there while an operator lets no change out.
const SWITCH: &str = "changes-stopped";

fn write_switch(directory: &Path, stopped: bool) -> io::Result<()> {
    let file = directory.join(SWITCH);
    if stopped {
        std::fs::File::create(&file)?.sync_all()?;
    } else if let Err(error) = std::fs::remove_file(&file)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    std::fs::File::open(directory)?.sync_all()
}

fn open_state(directory: &Path) -> io::Result<(Quota, LastUse)> {
    std::fs::create_dir_all(directory)?;
    // Whether it can be written shows now, and not when the first count is lost.
    tempfile::NamedTempFile::new_in(directory)?.close()?;
    let last_use = LastUse::load(directory)?.unwrap_or_else(|| LastUse::begin(SystemTime::now()));
    Ok((Quota::load(directory)?, last_use))
}

/// Says ahead which keys are about to expire: at the start, whenever the configuration was read, and now and then.
async fn warn_of_expiry(reload: Arc<Reload>, stop: CancellationToken) {
    let (mut said, mut readings) = (Said::default(), reload.readings());
    loop {
        let (snapshot, now) = (reload.current(), Timestamp::now());
        let due = said.due(&snapshot.keys, now);
        for key in due.iter().take(MOST_EXPIRING) {
            let expires = key.expires.map(tracing::field::display);
            tracing::warn!(
                key = %key.name, key_id = key.id.as_str(), expires,
                "a key is about to expire; `clickbank-gateway key edit {} --expires-in 90d` gives it more time", key.name
            );
        }
        if let Some(others @ 1..) = due.len().checked_sub(MOST_EXPIRING) {
            tracing::warn!(others, "other keys are about to expire, too; `clickbank-gateway key list` shows them");
        }
        drop(due);
        drop(snapshot);
        let next = async { timeout(LOOK_AT_EXPIRY_EVERY, readings.changed()).await };
        if stop.run_until_cancelled(next).await.is_none() {
            return;
        }
    }
}

impl State {
    /// Writes down, now and then, what has to outlive a restart.
    async fn keep(self, stop: CancellationToken) {
        for round in 1_u32.. {
            if timeout(SAVE_EVERY, stop.cancelled()).await.is_ok() {
                return;
            }
            let all = round.is_multiple_of(ROUNDS_PER_LAST_USE);
            if all {
                let _ = stop.run_until_cancelled(self.sweep()).await;
            }
            let state = self.clone();
            // Writing may wait for the disk. Should it panic, the next round tries again.
            let _ = tokio::task::spawn_blocking(move || {
                state.save_quota();
                if all {
                    state.save_last_use();
                }
            })
            .await;
        }
    }

    /// Takes out of the ledger what may be forgotten.
    async fn sweep(&self) {
        loop {
            match self.ledger.sweep(Moment::now()).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "changes that may be forgotten could not be taken out of the ledger");
                    return;
                }
            }
        }
    }

    fn save_quota(&self) {
        if let Err(error) = self.quota.save(&self.directory) {
            let directory = self.directory.display();
            tracing::error!(%directory, %error, "the count of the day's requests cannot be written");
        }
    }

    fn save_last_use(&self) {
        self.reload.gather_last_use();
        if let Err(error) = self.last_use.save(&self.directory, SystemTime::now()) {
            let directory = self.directory.display();
            tracing::error!(%directory, %error, "when keys were last used cannot be written");
        }
    }
}

struct Accept {
    listener: Listener,
    reception: Arc<Reception>,
    slots: Arc<Slots>,
    connections: TaskTracker,
}

impl Accept {
    async fn run(self) {
        loop {
            let accepted = tokio::select! {
                () = self.reception.stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: let some be closed before trying again.
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.slots.spare_one();
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Some(slot) = self.reception.stop.run_until_cancelled(self.slots.take()).await else { return };
            self.reception.metrics.count_connection();
            self.connections.spawn(connection::serve((stream, peer), slot, Arc::clone(&self.reception)));
        }
    }
}
