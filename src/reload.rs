//! Configuration files that change while the gateway runs.
//!
//! All files are read and validated as at the start, then one snapshot takes the place of the other. Nothing is applied
//! by halves: while anything is wrong the gateway goes on as it was, and says so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config, Findings, Fixed, Problem, Secrets, WatchedFile};
use crate::health::Health;
use crate::last_use::LastUse;
use crate::limit::Departures;
use crate::snapshot::Snapshot;

/// How often the files are looked at. Events come sooner, but not from every file system, nor from behind every mount.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For how long files have to stay as they are before they are read: a file that is copied into place is not whole at
/// once, and several files may belong together.
const SETTLED_AFTER: Duration = Duration::from_millis(100);
/// Files that are never left alone for so long are read all the same after this time.
const READ_AFTER: Duration = Duration::from_secs(1);

/// What came of reading the configuration again.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Whether it is in force now.
    pub applied: bool,
    /// The generation that serves.
    pub generation: u64,
    /// Why it is not in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// What is configured otherwise, but stays as it is until a restart, in the words of the file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs_restart: Vec<&'static str>,
}

/// How the configuration that serves stands to the files.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The generation that serves.
    pub generation: u64,
    /// Since when it serves.
    pub since: Timestamp,
    /// What is wrong with the files, so that they are not in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<Problem>,
    /// What is configured otherwise, but stays as it is until a restart, in the words of the file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs_restart: Vec<&'static str>,
}

/// How the configuration that serves stands to the files, in numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub(crate) generation: u64,
    pub(crate) since: Timestamp,
    pub(crate) is_degraded: bool,
    pub(crate) needs_restart: usize,
    /// How often the files were put in force since the start.
    pub(crate) applied: u64,
    /// How often they were wrong.
    pub(crate) refused: u64,
}

/// Reads the configuration again and puts it in force.
#[derive(Debug)]
pub struct Reload {
    file: PathBuf,
    fixed: Fixed,
    current: Arc<ArcSwap<Snapshot>>,
    tls: Option<Arc<ArcSwap<rustls::ServerConfig>>>,
    health: Arc<Health>,
    last_use: Arc<LastUse>,
    departures: Arc<Departures>,
    state: Mutex<State>,
    /// Held while files are read, so that what was read last is in force last.
    reading: Mutex<()>,
    /// How many times they were read.
    readings: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    sources: Vec<WatchedFile>,
    since: Timestamp,
    degraded: Vec<Problem>,
    warned: Vec<Problem>,
    /// How often the files were put in force, and how often they were wrong.
    applied: u64,
    refused: u64,
    needs_restart: Vec<&'static str>,
    /// Snapshots that were replaced. The last request that holds on to one is not made to take it apart.
    replaced: Vec<Arc<Snapshot>>,
}

impl Reload {
    pub(crate) fn new(
        (file, sources): (PathBuf, Vec<WatchedFile>),
        fixed: Fixed,
        current: Arc<ArcSwap<Snapshot>>,
        tls: Option<Arc<ArcSwap<rustls::ServerConfig>>>,
        health: Arc<Health>,
        last_use: Arc<LastUse>,
        departures: Arc<Departures>,
    ) -> Self {
        let state = State {
            sources,
            since: Timestamp::now(),
            degraded: Vec::new(),
            warned: Vec::new(),
            applied: 0,
            refused: 0,
            needs_restart: Vec::new(),
            replaced: Vec::new(),
        };
        let (reading, readings) = (Mutex::default(), watch::Sender::new(0));
        Self { file, fixed, current, tls, health, last_use, departures, state: Mutex::new(state), reading, readings }
    }

    /// How the configuration that serves stands to the files.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let state = self.state();
        Standing {
            generation: self.current.load().generation(),
            since: state.since,
            degraded: state.degraded.clone(),
            needs_restart: state.needs_restart.clone(),
        }
    }

    /// The same in numbers, and how often the files were read again.
    pub(crate) fn tally(&self) -> Tally {
        let state = self.state();
        Tally {
            generation: self.current.load().generation(),
            since: state.since,
            is_degraded: !state.degraded.is_empty(),
            needs_restart: state.needs_restart.len(),
            applied: state.applied,
            refused: state.refused,
        }
    }

    /// Reads the files and puts what they say in force. It takes as long as files take.
    pub fn now(&self) -> Outcome {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        let outcome = match config::load(&self.file, Secrets::Read) {
            Ok((config, warnings)) => self.apply(config, warnings, began),
            Err(findings) => self.keep(findings),
        };
        self.readings.send_modify(|readings| *readings += 1);
        outcome
    }

    /// The snapshot that serves.
    pub(crate) fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// How many times the files were read since the start, to wait for the next time.
    #[must_use]
    pub fn readings(&self) -> watch::Receiver<u64> {
        self.readings.subscribe()
    }

    fn apply(&self, config: Config, warnings: Vec<Problem>, began: Instant) -> Outcome {
        let needs_restart = self.fixed.differences(&Fixed::of(&config));
        let before = self.current.load_full();
        let snapshot = Arc::new(config.snapshot.after(&before));
        let (generation, keys) = (snapshot.generation(), snapshot.keys.len());
        self.current.store(Arc::clone(&snapshot));
        // A change that was decided on before is out, or is decided again.
        self.departures.settle();
        if let (Some(current), Some(tls)) = (&self.tls, config.listen.tls) {
            current.store(tls);
        }
        self.health.set_degraded(false);
        {
            let mut state = self.state();
            state.sources = config.sources;
            state.since = Timestamp::now();
            state.degraded.clear();
            state.applied += 1;
            // What has been said already is not said again each time.
            for warning in warnings.iter().filter(|warning| !state.warned.contains(warning)) {
                warn(warning);
            }
            state.warned = warnings;
            if state.needs_restart != needs_restart {
                for name in &needs_restart {
                    tracing::warn!(option = name, "changed, but stays as it is until the gateway is restarted");
                }
                state.needs_restart.clone_from(&needs_restart);
            }
            state.replaced.push(before);
        }
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(generation, keys, milliseconds, "the configuration was read again and is in force");
        Outcome { applied: true, generation, problems: Vec::new(), needs_restart }
    }

    fn keep(&self, findings: Findings) -> Outcome {
        let generation = self.current.load().generation();
        self.health.set_degraded(true);
        let mut state = self.state();
        if state.degraded != findings.errors {
            for problem in &findings.errors {
                tracing::error!(
                    generation,
                    file = %problem.file.display(),
                    line = problem.line,
                    key = problem.key,
                    mend = problem.mend,
                    "the configuration is not in force, the one before goes on: {}",
                    problem.message
                );
            }
        }
        state.refused += 1;
        state.sources = findings.sources;
        state.degraded.clone_from(&findings.errors);
        let needs_restart = state.needs_restart.clone();
        Outcome { applied: false, generation, problems: findings.errors, needs_restart }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each file looks like now, if any is not as it was read.
    fn changed(&self) -> Option<Vec<WatchedFile>> {
        let sources = self.state().sources.clone();
        let now: Vec<WatchedFile> = sources.iter().map(|source| WatchedFile::now(&source.path)).collect();
        (now != sources).then_some(now)
    }

    /// Takes apart the replaced snapshots that nobody holds on to any more.
    fn forget_replaced(&self) {
        let unused = {
            let mut state = self.state();
            let replaced = std::mem::take(&mut state.replaced);
            let (unused, used): (Vec<_>, _) =
                replaced.into_iter().partition(|snapshot| Arc::strong_count(snapshot) == 1);
            state.replaced = used;
            unused
        };
        for snapshot in unused {
            self.last_use.gather(&snapshot);
        }
    }

    /// Gathers when keys were used under every snapshot that there still is.
    pub(crate) fn gather_last_use(&self) {
        let replaced = self.state().replaced.clone();
        for snapshot in replaced.iter().chain([&*self.current.load()]) {
            self.last_use.gather(snapshot);
        }
    }
}

/// Logs a warning about a configuration.
pub(crate) fn warn(warning: &Problem) {
    let Problem { file, line, key, mend, message } = warning;
    tracing::warn!(file = %file.display(), line, key, mend, "{message}");
}

/// Reads the configuration again whenever its files have changed, until told to stop.
pub(crate) async fn follow(reload: Arc<Reload>, stop: CancellationToken) {
    let woken = Arc::new(Notify::new());
    let mut events = Events::new(Arc::clone(&woken));
    loop {
        events.follow(&reload.state().sources);
        let look = async {
            let _ = timeout(LOOK_EVERY, woken.notified()).await;
            look(&reload).await;
        };
        if stop.run_until_cancelled(look).await.is_none() {
            return;
        }
    }
}

/// Reads the configuration if its files have changed, once they stay as they are.
async fn look(reload: &Arc<Reload>) {
    let (mut seen, noticed) = (changed(reload).await, Instant::now());
    while let Some(now) = seen {
        sleep(SETTLED_AFTER).await;
        let later = changed(reload).await;
        if later.as_ref() == Some(&now) || (later.is_some() && noticed.elapsed() >= READ_AFTER) {
            let reload = Arc::clone(reload);
            let _ = tokio::task::spawn_blocking(move || reload.now()).await;
            break;
        }
        seen = later;
    }
    let reload = Arc::clone(reload);
    let _ = tokio::task::spawn_blocking(move || reload.forget_replaced()).await;
}

async fn changed(reload: &Arc<Reload>) -> Option<Vec<WatchedFile>> {
    let reload = Arc::clone(reload);
    tokio::task::spawn_blocking(move || reload.changed()).await.ok().flatten()
}

/// Events of the directories in which the files stand. Where there are none, looking every now and then has to do.
struct Events {
    watcher: Option<RecommendedWatcher>,
    followed: BTreeSet<PathBuf>,
}

impl Events {
    fn new(woken: Arc<Notify>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // That somebody, such as this process, reads a file is no change.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                woken.notify_one();
            }
        });
        if let Err(error) = &watcher {
            tracing::debug!(%error, "no events of changed files; they are looked at every second");
        }
        Self { watcher: watcher.ok(), followed: BTreeSet::new() }
    }

    /// Follows the directories of these files, and of those to which links lead.
    fn follow(&mut self, sources: &[WatchedFile]) {
        let Some(watcher) = &mut self.watcher else { return };
        let directory = |path: &Path| path.parent().map(Path::to_owned);
        let directories: BTreeSet<PathBuf> = sources
            .iter()
            .flat_map(|source| {
                [directory(&source.path), source.path.canonicalize().ok().and_then(|path| directory(&path))]
            })
            .flatten()
            .map(|path| if path.as_os_str().is_empty() { PathBuf::from(".") } else { path })
            .collect();
        for gone in self.followed.difference(&directories) {
            let _ = watcher.unwatch(gone);
        }
        let mut followed = BTreeSet::new();
        for path in directories {
            // One that cannot be followed is tried again each time.
            if self.followed.contains(&path) || watcher.watch(&path, RecursiveMode::NonRecursive).is_ok() {
                followed.insert(path);
            }
        }
        self.followed = followed;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;
    use std::time::SystemTime;

    use super::*;

    /// Long enough for files to be read, so that a reload that does not wait is seen. One that waits is never seen not to.
    const PATIENCE: Duration = Duration::from_millis(300);

    #[test]
    fn a_reload_is_not_reported_before_what_was_judged_by_the_old_configuration_is_out() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("gateway.toml");
        let configuration = "keys = \"keys.toml\"\n[nicknames]\nacme = \"seller\"\n[credentials.acme]\napi_key = { file = \
                             \"clickbank-acme\" }\n[credentials.acme.reach]\norders_read = [\"acme\"]\n";
        for (name, text) in [
            ("gateway.toml", configuration),
            ("keys.toml", ""),
            ("clickbank-acme", "API-RELOADTESTRELOADTESTRELOADTEST"),
        ] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let (config, _) = config::load(&file, Secrets::Read).unwrap_or_else(|findings| panic!("{findings:?}"));
        let (fixed, current) = (Fixed::of(&config), Arc::new(ArcSwap::from_pointee(config.snapshot)));
        let (health, last_use) = (Arc::default(), Arc::new(LastUse::begin(SystemTime::now())));
        let departures: Arc<Departures> = Arc::default();
        let (before, in_force) = (current.load_full(), Arc::clone(&current));
        let sources = (file, config.sources);
        let reload = Reload::new(sources, fixed, current, None, health, last_use, Arc::clone(&departures));
        let (report, reported) = channel();
        thread::scope(|scope| {
            let gone: Result<_, ()> = departures.go(
                || Ok(()),
                || {
                    scope.spawn(move || report.send(reload.now()));
                    // What is judged from here on is judged by the new one.
                    while Arc::ptr_eq(&in_force.load(), &before) {
                        thread::yield_now();
                    }
                    reported.recv_timeout(PATIENCE).map(|_| ())
                },
            );
            assert_eq!(gone, Ok(Err(RecvTimeoutError::Timeout)));
            assert!(reported.recv().unwrap().applied);
        });
    }
}
