//! The two files that people write and review: `gateway.toml` and `keys.toml`.
//!
//! Text becomes a [`Config`], whose types cannot hold a bad value, in one step; every problem on the way is reported at
//! once, with file, line, key and mend. `check` and `serve` run this same step.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::endpoint::Endpoint;
use crate::domain::matrix::Matrix;
use crate::domain::nickname::Nicknames;
use crate::domain::secret::AdminToken;
use crate::keys::Keys;
use crate::snapshot::Snapshot;

mod caps;
mod endpoint;
mod file;
mod form;
mod gateway;
mod keys;
mod policy;
// What is wrong with a configuration.
pub mod problem;
mod syntax;

pub(crate) use form::parse_duration;
pub(crate) use problem::did_you_mean;
pub use problem::{Findings, Problem, WatchedFile};

/// A configuration that can be served.
#[derive(Debug)]
pub struct Config {
    /// `gateway.toml`, as it was named.
    pub file: PathBuf,
    /// `keys.toml`.
    pub keys_file: PathBuf,
    /// Where callers connect.
    pub listen: Listen,
    /// Where `/livez` and `/readyz` answer.
    pub health: SocketAddr,
    /// Where operators ask, if anywhere.
    pub admin: Option<Admin>,
    /// How ClickBank is reached.
    pub upstream: Upstream,
    /// Directory for what has to outlive a restart; without it, that is kept in memory.
    pub state: Option<PathBuf>,
    /// Everything that decides about a request.
    pub snapshot: Snapshot,
    /// The files on which all this depends, as they were when they were read.
    pub sources: Vec<WatchedFile>,
}

/// What cannot be changed while the gateway runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    listen: (ListenAddress, bool, usize),
    health: SocketAddr,
    admin: Option<(ListenAddress, Option<AdminToken>)>,
    upstream: (http::uri::Authority, [u8; 32]),
    timeouts: (Duration, Duration),
    retries: u32,
    room: (usize, usize),
    state: Option<PathBuf>,
}

impl Fixed {
    /// That part of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let (listen, upstream) = (&config.listen, &config.upstream);
        Self {
            listen: (listen.address.clone(), listen.tls.is_some(), listen.max_connections),
            health: config.health,
            admin: config.admin.as_ref().map(|admin| (admin.address.clone(), admin.token.clone())),
            upstream: (upstream.authority.clone(), upstream.authorities),
            timeouts: (upstream.connect_timeout, upstream.response_timeout),
            retries: upstream.retries,
            room: (upstream.max_answer, upstream.answer_memory),
            state: config.state.clone(),
        }
    }

    /// What is otherwise in `other`, in the words of the file.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        [
            ("[listen] address", self.listen.0 != other.listen.0),
            ("[listen] tls, from or to plaintext", self.listen.1 != other.listen.1),
            ("[listen] max_connections", self.listen.2 != other.listen.2),
            ("[health] address", self.health != other.health),
            ("[admin]", self.admin != other.admin),
            ("[upstream] url", self.upstream.0 != other.upstream.0),
            ("[upstream] ca_file", self.upstream.1 != other.upstream.1),
            ("[upstream] timeouts", self.timeouts != other.timeouts),
            ("[upstream] retries", self.retries != other.retries),
            ("[upstream] max_answer, answer_memory", self.room != other.room),
            ("state", self.state != other.state),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }
}

/// Where callers connect.
#[derive(Debug, Clone)]
pub struct Listen {
    /// The address.
    pub address: ListenAddress,
    /// The gateway's own certificate; without it, connections are plaintext.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The most connections at one time; fewer where the system does not grant files enough.
    pub max_connections: usize,
}

/// Where operators ask.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The address.
    pub address: ListenAddress,
    /// What they have to present; always there over TCP.
    pub token: Option<AdminToken>,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// The address, if it is one of TCP.
    #[must_use]
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How ClickBank is reached.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Host and, if it is not 443, port. The scheme is always https.
    pub authority: http::uri::Authority,
    /// TLS, with every check on.
    pub tls: rustls::ClientConfig,
    /// SHA-256 of the authorities that are trusted besides the system's, as their file has them.
    pub authorities: [u8; 32],
    /// Time for TCP and TLS together.
    pub connect_timeout: Duration,
    /// Time from sending a request until its answer is read whole.
    pub response_timeout: Duration,
    /// How often a read that failed is sent again; a change never is.
    pub retries: u32,
    /// Bytes of one answer's body.
    pub max_answer: usize,
    /// Bytes of all answers' bodies held at one time.
    pub answer_memory: usize,
}

/// Whether secrets are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// Read and checked, as for serving.
    Read,
    /// Left alone, for checking files where the secrets are not, as in CI.
    Skip,
}

/// Reads `gateway.toml` and the key file that it names.
///
/// # Errors
/// When anything in them is wrong. The findings hold every problem, not just the first, and warnings too.
pub fn load(file: &Path, secrets: Secrets) -> Result<(Config, Vec<Problem>), Findings> {
    let findings = RefCell::new(Findings::default());
    let config = gateway::load(file, secrets, &findings);
    let mut findings = findings.into_inner();
    findings.sort(file);
    match config {
        Some(config) if findings.errors.is_empty() => {
            Ok((Config { sources: findings.sources, ..config }, findings.warnings))
        }
        _ => Err(findings),
    }
}

/// The health listener's address, for asking a gateway that runs: what else is wrong with its file by now does not
/// matter to that. `None` when the file cannot be read or the address is wrong.
#[must_use]
pub fn health_address(file: &Path) -> Option<SocketAddr> {
    gateway::health_address(file)
}

/// The admin listener's address, for asking a gateway that runs. `None` when there is none, the file cannot be read, or
/// the address is wrong.
#[must_use]
pub fn admin_address(file: &Path) -> Option<ListenAddress> {
    gateway::admin_address(file)
}

/// Where the key file is, for locking it before both files are read. `None` when the file cannot be read or does not say.
#[must_use]
pub fn keys_file(file: &Path) -> Option<PathBuf> {
    gateway::keys_file(file)
}

/// ClickBank's endpoints, as this release knows them.
///
/// # Errors
/// Never in a release: the catalogue is compiled in, and a test reads it.
pub fn built_in_endpoints() -> Result<Vec<Endpoint>, Findings> {
    let findings = RefCell::new(Findings::default());
    let text = include_str!("catalogue.toml");
    let endpoints = form::read(Path::new("catalogue.toml"), text, &findings, |form| {
        let tables = form.take("endpoint").and_then(|entry| entry.list()).unwrap_or_default();
        tables.iter().filter_map(|table| endpoint::read(table, false)).collect()
    });
    let findings = findings.into_inner();
    if findings.errors.is_empty() { Ok(endpoints) } else { Err(findings) }
}

/// Checks a key file's text as [`load`] would, without touching the file that is there, and says what stands in it.
///
/// # Errors
/// When anything in it is wrong; `name` is the file's name in the findings.
pub fn check_keys(name: &Path, text: &str, nicknames: &Nicknames) -> Result<(Keys, Matrix), Findings> {
    let findings = RefCell::new(Findings::default());
    let read = keys::read(name, text, &policy::Declared::new(nicknames.clone()), &findings);
    let (keys, matrix, _) = read;
    let mut findings = findings.into_inner();
    findings.sort(name);
    if findings.errors.is_empty() { Ok((keys, matrix)) } else { Err(findings) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_names_the_owner_stands_once() {
        for (owner, parameters) in [
            ("{ parameter = 'account' }", "[{ name = 'account', repeats = true }]"),
            ("{ filter = 'account' }", "[{ name = 'account', repeats = true }]"),
            ("{ filter = 'orders' }", "['vendor', 'affiliate', { name = 'role', repeats = true }]"),
            ("{ answer = 'list', receipt = 'receipt' }", "[{ name = 'receipt', repeats = true }]"),
        ] {
            let text = format!(
                "id = 'x'\nmethod = 'GET'\npath = '/x/y'\npermissions = ['analytics']\nowner = {owner}\nparameters = {parameters}\n"
            );
            let findings = RefCell::new(Findings::default());
            form::read(Path::new("x"), &format!("[[endpoint]]\n{text}"), &findings, |form| {
                let tables = form.take("endpoint").and_then(|entry| entry.list()).unwrap_or_default();
                tables.iter().filter_map(|table| endpoint::read(table, true)).count()
            });
            assert!(!findings.into_inner().errors.is_empty(), "{owner}");
        }
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("gateway.toml");
        let secret = "API-0123456789ABCDEFGHIJ";
        std::fs::write(directory.path().join("keys.toml"), "").unwrap();
        for credential in [
            format!("[credentials.a]\napi_key = {{ env = '{secret}' }}"),
            format!("[credentials.a]\napi_key = {{ file = '{secret}' }}"),
            format!("[credentials.a]\n{secret} = 1"),
        ] {
            let text = format!("[nicknames]\nacme = 'seller'\n{credential}\nreach = {{ analytics = ['acme'] }}\n");
            std::fs::write(&file, text).unwrap();
            let findings = load(&file, Secrets::Read).unwrap_err();
            assert!(!format!("{findings:?}").contains(secret), "{findings:?}");
        }
        let named = format!(
            "[nicknames]\nacme = 'seller'\n[credentials.{secret}]\napi_key = {{ file = 'x' }}\nreach = {{ analytics = ['acme'] }}\n"
        );
        std::fs::write(&file, named).unwrap();
        let findings = load(&file, Secrets::Skip).expect_err("a key is no name");
        assert!(!format!("{findings:?}").contains(secret), "{findings:?}");
    }
}
