//! `gateway.toml`.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Scheme, Uri};

use crate::domain::decision::{ChangeRules, OwnerCheck};
use crate::domain::matrix::Policy;
use crate::domain::secret::{AdminToken, KeyDigest};
use crate::limit::Limits;
use crate::probe::Probes;
use crate::snapshot::Snapshot;
use crate::tls;

use super::caps;
use super::file::{self, Unusable};
use super::form::{self, Entry, Form, shown};
use super::policy::{read_path_to_secret, warn_of_readers};
use super::problem::Findings;
use super::{Admin, Config, Listen, ListenAddress, Secrets, Upstream, built_in_endpoints, keys, policy};

/// Some tens of megabytes, should all of them be open and idle.
const DEFAULT_MAX_CONNECTIONS: usize = 4_096;
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7310);
const DEFAULT_HEALTH: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7311);
const CLICKBANK: &str = "api.clickbank.com";

/// Reads `gateway.toml` and what it names. `None`, or errors among the findings, when it cannot be served.
pub(super) fn load(path: &Path, secrets: Secrets, findings: &RefCell<Findings>) -> Option<Config> {
    let text = file::read_or_report(path, findings)?;
    form::read(path, &text, findings, |form| read(form, path, directory(path), secrets, findings))
}

/// Reads nothing but the health listener's address, whatever else is wrong with the file.
pub(super) fn health_address(path: &Path) -> Option<SocketAddr> {
    let findings = RefCell::default();
    let text = file::read_or_report(path, &findings)?;
    form::read(path, &text, &findings, |form| read_health(form.take("health").as_ref()))
}

/// Reads nothing but the admin listener's address, whatever else is wrong with the file.
pub(super) fn admin_address(path: &Path) -> Option<ListenAddress> {
    let findings = RefCell::default();
    let text = file::read_or_report(path, &findings)?;
    form::read(path, &text, &findings, |form| {
        read_listen_address(&form.take("admin")?.form()?.take("address")?, directory(path))
    })
}

/// Reads nothing but where the key file is, whatever else is wrong with the file.
pub(super) fn keys_file(path: &Path) -> Option<PathBuf> {
    let findings = RefCell::default();
    let text = file::read_or_report(path, &findings)?;
    form::read(path, &text, &findings, |form| read_keys_file(form.take("keys").as_ref(), directory(path)))
}

fn read_keys_file(entry: Option<&Entry<'_>>, directory: &Path) -> Option<PathBuf> {
    entry.map_or(Some("keys.toml"), |entry| entry.text_like("keys.toml")).map(|file| directory.join(file))
}

/// What names in a file are relative to.
fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn read(
    form: &mut Form<'_>,
    path: &Path,
    directory: &Path,
    secrets: Secrets,
    findings: &RefCell<Findings>,
) -> Option<Config> {
    let keys_entry = form.take("keys");
    let keys_file = read_keys_file(keys_entry.as_ref(), directory);
    let state = form.take("state").map_or(Some(None), |entry| read_state(&entry, directory).map(Some));
    let (listen_entry, health_entry, admin_entry) = (form.take("listen"), form.take("health"), form.take("admin"));
    let listen = read_listen(listen_entry.as_ref(), directory, secrets);
    let health = read_health(health_entry.as_ref());
    let admin = admin_entry.as_ref().map_or(Some(None), |entry| read_admin(entry, directory, secrets).map(Some));
    check_addresses([
        ("listen", listen_entry.as_ref(), listen.as_ref().and_then(|listen| listen.address.tcp())),
        ("health", health_entry.as_ref(), health),
        ("admin", admin_entry.as_ref(), admin.as_ref().and_then(|admin| admin.as_ref()?.address.tcp())),
    ]);
    let upstream = form.take("upstream");
    let upstream = read_upstream(form, upstream.as_ref(), directory);
    let limits = read_limits(form.take("limits").as_ref());
    let probes = read_probes(form.take("probes").as_ref());
    let changes = read_changes(form.take("changes").as_ref());
    let caps_entry = form.take("caps");
    let nicknames =
        form.require("nicknames", "add `[nicknames]` with a line for each account, such as `acme = \"seller\"`");
    let credentials = form.require("credentials", "add `[credentials.NAME]` for each ClickBank key");
    let endpoints = form.take("endpoint");
    let extra_parameters = form.take("extra_parameters");

    let mut declared = policy::read_nicknames(nicknames.as_ref());
    if !form.is_sound() {
        declared.doubt_all();
    }
    let (credentials, secret_values) = policy::read_credentials(credentials.as_ref(), &declared, directory, secrets);
    let built_in =
        built_in_endpoints().map_err(|built_in| findings.borrow_mut().errors.extend(built_in.errors)).ok()?;
    let mut catalogue = policy::read_endpoints(endpoints.as_ref(), built_in);
    policy::read_extra_parameters(extra_parameters.as_ref(), &mut catalogue);

    let keys_file = keys_file?;
    let (keys, matrix, mut caps) = keys::load(&keys_file, keys_entry.as_ref(), &declared, findings)?;
    caps::read_of_nicknames(caps_entry.as_ref(), &declared, &mut caps);
    let nicknames = declared.nicknames;
    let policy = Policy { catalogue, nicknames, credentials, matrix, changes: changes?, caps };
    Some(Config {
        file: path.to_owned(),
        keys_file,
        listen: listen?,
        health: health?,
        admin: admin?,
        upstream: upstream?,
        state: state?,
        snapshot: Snapshot::new(policy, keys, limits?, secret_values).probing(probes?),
        sources: Vec::new(),
    })
}

fn read_state(entry: &Entry<'_>, directory: &Path) -> Option<PathBuf> {
    entry.text_like("/var/lib/clickbank-gateway").map(|text| directory.join(text))
}

fn read_listen(entry: Option<&Entry<'_>>, directory: &Path, secrets: Secrets) -> Option<Listen> {
    let default =
        Listen { address: ListenAddress::Tcp(DEFAULT_LISTEN), tls: None, max_connections: DEFAULT_MAX_CONNECTIONS };
    let Some(entry) = entry else { return Some(default) };
    let mut form = entry.form()?;
    let address_entry = form.take("address");
    let allow_plaintext = form.take("allow_plaintext").map_or(Some(false), |entry| entry.boolean());
    let tls_entry = form.take("tls");
    let max_connections = form.take("max_connections").map_or(Some(DEFAULT_MAX_CONNECTIONS), |entry| {
        entry.integer(16..=65_536).and_then(|count| usize::try_from(count).ok())
    });
    form.finish();
    let address = address_entry.as_ref().map_or(Some(default.address), |entry| read_listen_address(entry, directory));
    let tls = tls_entry.as_ref().map_or(Some(None), |entry| read_listen_tls(entry, directory, secrets));
    let (address, allow_plaintext, tls, max_connections) = (address?, allow_plaintext?, tls?, max_connections?);
    if let (ListenAddress::Tcp(tcp), Some(entry)) = (&address, &address_entry)
        && !tcp.ip().is_loopback()
        && tls_entry.is_none()
        && !allow_plaintext
    {
        entry.error(
            "would carry keys and customers' data in plaintext beyond this machine",
            "listen on 127.0.0.1, add `tls = { cert_file = \"…\", key_file = \"…\" }`, or, where the network is trusted, \
             `allow_plaintext = true`",
        );
        return None;
    }
    Some(Listen { address, tls, max_connections })
}

/// The gateway's own certificate; `Some(None)` where its key was deliberately not read.
#[expect(clippy::option_option, reason = "wrong (None) and deliberately not read (Some(None)) differ")]
fn read_listen_tls(entry: &Entry<'_>, directory: &Path, secrets: Secrets) -> Option<Option<Arc<rustls::ServerConfig>>> {
    let mut form = entry.form()?;
    let cert_file = form.require("cert_file", "name the PEM file with the certificate chain");
    let key_file = form.require("key_file", "name the PEM file with its private key");
    form.finish();
    let (cert_file, key_file) = (cert_file?, key_file?);
    let cert_path = cert_file.text_like("/etc/clickbank-gateway/tls.crt");
    let key_path = read_path_to_secret(&key_file, "/etc/clickbank-gateway/tls.key");
    let (cert_path, key_path) = (cert_path?, key_path?);
    if secrets == Secrets::Skip {
        return Some(None);
    }
    let report = |entry: &Entry<'_>, path: &str, Unusable { message, mend }| {
        entry.error(format!("`{}` {message}", shown(path)), mend);
    };
    let chain =
        file::read(&directory.join(cert_path), entry.findings()).map_err(|error| report(&cert_file, cert_path, error));
    let key = file::read_secret(&directory.join(key_path), entry.findings())
        .map_err(|error| report(&key_file, key_path, error));
    let (chain, (key, exposed)) = (chain.ok()?, key.ok()?);
    if exposed {
        warn_of_readers(&key_file, key_path, directory);
    }
    match tls::server_config(chain.as_bytes(), key.expose_to_parser().as_bytes()) {
        Ok(config) => Some(Some(Arc::new(config))),
        Err(error) => {
            let at_fault = if matches!(error, tls::TlsError::NoCertificate) { &cert_file } else { &key_file };
            at_fault.error(
                error.to_string(),
                "name the certificate chain and the private key that belongs to it, both as PEM",
            );
            None
        }
    }
}

fn read_listen_address(entry: &Entry<'_>, directory: &Path) -> Option<ListenAddress> {
    let text = entry.text_like("127.0.0.1:7310")?;
    if let Some(path) = text.strip_prefix("unix:") {
        if path.is_empty() {
            entry.error("names no path", "write `\"unix:/run/clickbank-gateway/proxy.sock\"`");
            return None;
        }
        return Some(ListenAddress::Unix(directory.join(path)));
    }
    let mend = "write an IP address (not a name) and a port, such as \"127.0.0.1:7310\" or \"[::1]:7310\", or a socket's path, \
                such as \"unix:/run/clickbank-gateway/proxy.sock\"";
    read_socket_address(entry, text, mend).map(ListenAddress::Tcp)
}

fn read_socket_address(entry: &Entry<'_>, text: &str, mend: &str) -> Option<SocketAddr> {
    let address = text.parse().ok();
    if address.is_none() {
        entry.error(format!("`{}` is not an IP address and port", shown(text)), mend);
    }
    address
}

fn read_health(entry: Option<&Entry<'_>>) -> Option<SocketAddr> {
    let Some(entry) = entry else { return Some(DEFAULT_HEALTH) };
    let mut form = entry.form()?;
    let address = form.take("address");
    form.finish();
    address.map_or(Some(DEFAULT_HEALTH), |entry| {
        let text = entry.text_like("127.0.0.1:7311")?;
        let mend =
            "write an IP address (not a name) and a port, such as \"127.0.0.1:7311\", or \"0.0.0.0:7311\" for all";
        read_socket_address(&entry, text, mend)
    })
}

/// Two listeners cannot have one port: the second would fail when the gateway starts.
fn check_addresses(listeners: [(&str, Option<&Entry<'_>>, Option<SocketAddr>); 3]) {
    for (position, (name, entry, address)) in listeners.iter().enumerate() {
        for (other, other_entry, other_address) in listeners.iter().take(position) {
            let (Some(address), Some(other_address)) = (address, other_address) else { continue };
            let everywhere = address.ip().is_unspecified() || other_address.ip().is_unspecified();
            let same = address.port() == other_address.port() && (everywhere || address.ip() == other_address.ip());
            if let Some(entry) = entry.or(*other_entry)
                && same
                && address.port() != 0
            {
                entry.error(
                    format!("[{other}] and [{name}] share port {} of one address", address.port()),
                    "give each a port of its own, such as 7310 for [listen] and 7311 for [health]",
                );
            }
        }
    }
}

fn read_admin(entry: &Entry<'_>, directory: &Path, secrets: Secrets) -> Option<Admin> {
    let mut form = entry.form()?;
    let address = form.require("address", "write `address = \"unix:/run/clickbank-gateway/admin.sock\"`");
    let token_entry = form.take("token");
    form.finish();
    let address_entry = address?;
    let address = read_listen_address(&address_entry, directory)?;
    if matches!(address, ListenAddress::Tcp(tcp) if !tcp.ip().is_loopback()) {
        address_entry.error(
            "would carry the token in plaintext beyond this machine",
            "listen on 127.0.0.1, or write `address = \"unix:…\"`, which only its owner can open",
        );
        return None;
    }
    if matches!(address, ListenAddress::Tcp(_)) && token_entry.is_none() {
        address_entry.error(
            "needs a token: every app on this machine can connect to it",
            "add `token = { file = \"…\" }`, or write `address = \"unix:…\"`, which only its owner can open",
        );
        return None;
    }
    let Some(entry) = token_entry else { return Some(Admin { address, token: None }) };
    let token = match policy::read_secret(&entry, directory, secrets) {
        Some((entry, text)) => {
            let token = AdminToken::new(text.expose_to_parser().trim_end_matches(['\r', '\n']));
            if token.is_none() {
                entry.error(
                    format!("does not lead to a token of at least {} visible characters", AdminToken::MIN_LENGTH),
                    "put a random one there, such as the output of `head -c 24 /dev/urandom | base64`",
                );
            }
            Some(token?)
        }
        None if secrets == Secrets::Skip => None,
        None => return None,
    };
    Some(Admin { address, token })
}

fn read_upstream(root: &Form<'_>, entry: Option<&Entry<'_>>, directory: &Path) -> Option<Upstream> {
    let mut form = match entry {
        Some(entry) => Some(entry.form()?),
        None => None,
    };
    let mut take = |name| form.as_mut().and_then(|form| form.take(name));
    let url = take("url");
    let ca_file = take("ca_file");
    let durations = [("connect_timeout", 5, 60), ("response_timeout", 60, 600)].map(|(name, default, most)| {
        take(name).map_or(Some(Duration::from_secs(default)), |entry| {
            entry.duration(Duration::from_millis(100)..=Duration::from_secs(most))
        })
    });
    let retries =
        take("retries").map_or(Some(2), |entry| entry.integer(0..=5).and_then(|retries| u32::try_from(retries).ok()));
    let max_answer = take("max_answer").map_or(Some(16 << 20), |entry| entry.size(1 << 10..=1 << 30));
    let memory_entry = take("answer_memory");
    let answer_memory = memory_entry.as_ref().map_or(Some(256 << 20), |entry| entry.size(1 << 10..=1 << 40));
    if let Some(form) = form {
        form.finish();
    }

    let authority = url.as_ref().map_or_else(|| CLICKBANK.parse().ok(), read_url);
    let extra = ca_file.as_ref().map_or(Some((Vec::new(), [0; 32])), |entry| {
        let text = entry.text_like("/etc/clickbank-gateway/extra-ca.pem")?;
        let mend = "name a PEM file with the certificates of authorities to trust besides the system's";
        match file::read(&directory.join(text), entry.findings()) {
            Ok(pem) => tls::certificates(pem.as_bytes())
                .map(|certificates| (certificates, *KeyDigest::of(pem.as_bytes()).bytes()))
                .map_err(|error| entry.error(format!("`{}` {error}", shown(text)), mend))
                .ok(),
            Err(Unusable { message, mend }) => {
                entry.error(format!("`{}` {message}", shown(text)), mend);
                None
            }
        }
    });
    let [connect_timeout, response_timeout] = durations;
    let (max_answer, answer_memory) = (max_answer?, answer_memory?);
    if answer_memory < max_answer {
        if let Some(entry) = memory_entry.as_ref().or(entry) {
            entry.error(
                "has no room in `answer_memory` for one answer of `max_answer`",
                "raise answer_memory (without it, it is \"256 MiB\"), or lower max_answer",
            );
        }
        return None;
    }
    let (extra, authorities) = extra?;
    let tls = match tls::client_config(extra) {
        Ok(tls) => tls,
        Err(error) => {
            let mend = "install the system's CA certificates, or name some with ca_file under [upstream]";
            match ca_file.as_ref().or(entry) {
                Some(entry) => entry.error(error.to_string(), mend),
                None => root.error(error.to_string(), mend),
            }
            return None;
        }
    };
    Some(Upstream {
        authority: authority?,
        tls,
        authorities,
        connect_timeout: connect_timeout?,
        response_timeout: response_timeout?,
        retries: retries?,
        max_answer,
        answer_memory,
    })
}

fn read_url(entry: &Entry<'_>) -> Option<http::uri::Authority> {
    let text = entry.text_like(&format!("https://{CLICKBANK}"))?;
    let mend = format!("write `\"https://{CLICKBANK}\"`");
    // What stands before an `@` is a user name or password, so the text is not repeated, whether it is a URL or not.
    if text.contains('@') {
        entry.error("has a user name or password in it", mend);
        return None;
    }
    let Ok(url) = text.parse::<Uri>() else {
        entry.error(format!("`{}` is not a URL", shown(text)), mend);
        return None;
    };
    if url.scheme() != Some(&Scheme::HTTPS) {
        entry.error(
            format!("`{}` does not begin with https://", shown(text)),
            format!("{mend}; the real credential never travels in plaintext"),
        );
        return None;
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        entry.error(
            format!("`{}` has more than scheme, host and port", shown(text)),
            format!("{mend}; callers' paths already begin with /rest/1.3"),
        );
        return None;
    }
    let authority = url.into_parts().authority;
    if authority.is_none() {
        entry.error(format!("`{}` names no host", shown(text)), mend);
    }
    authority
}

fn read_limits(entry: Option<&Entry<'_>>) -> Option<Limits> {
    let default = Limits::default();
    let Some(entry) = entry else { return Some(default) };
    let mut form = entry.form()?;
    let mut number = |name, default, most| {
        form.take(name).map_or(Some(default), |entry: Entry<'_>| {
            entry.integer(1..=most).and_then(|number| NonZeroU32::new(u32::try_from(number).ok()?))
        })
    };
    let per_second = number("per_second", default.per_second, 100_000);
    let per_day = number("per_day", default.per_day, 100_000_000);
    let share = form.take("share").map_or(Some(default.share), |entry| read_share(&entry));
    let max_wait = form
        .take("max_wait")
        .map_or(Some(default.max_wait), |entry| entry.duration(Duration::ZERO..=Duration::from_mins(1)));
    form.finish();
    Some(Limits { per_second: per_second?, per_day: per_day?, share: share?, max_wait: max_wait? })
}

fn read_probes(entry: Option<&Entry<'_>>) -> Option<Probes> {
    let Some(entry) = entry else { return Some(Probes::default()) };
    let mut form = entry.form()?;
    let at_start = form.take("at_start").map_or(Some(false), |entry| entry.boolean());
    // More often would spend the day's requests on it, with several credentials.
    let every = form
        .take("every")
        .map_or(Some(None), |entry| entry.duration(Duration::from_mins(1)..=Duration::from_hours(7 * 24)).map(Some));
    form.finish();
    Some(Probes { at_start: at_start?, every: every? })
}

fn read_changes(entry: Option<&Entry<'_>>) -> Option<ChangeRules> {
    let default = ChangeRules::default();
    let Some(entry) = entry else { return Some(default) };
    let mut form = entry.form()?;
    let allowed = form.take("allowed").map_or(Some(default.allowed), |entry| entry.boolean());
    let owner_check = form
        .take("owner_check")
        .map_or(Some(default.owner_check), |entry| entry.one_of(&OwnerCheck::NAMES, OwnerCheck::parse));
    form.finish();
    Some(ChangeRules { allowed: allowed?, owner_check: owner_check? })
}

fn read_share(entry: &Entry<'_>) -> Option<NonZeroU32> {
    let text = entry.text_like("1/30")?;
    let share = text.strip_prefix("1/").and_then(|number| number.parse::<NonZeroU32>().ok());
    let share = share.filter(|share| share.get() <= 1_000);
    if share.is_none() {
        entry.error(
            format!("`{}` is not a share", shown(text)),
            "write \"1/30\" when 30 gateways use the same address and account; at most \"1/1000\"",
        );
    }
    share
}
