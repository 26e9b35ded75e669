//! `demo`: the gateway before a stand-in for ClickBank, all on loopback, and a few calls through it.
//!
//! Nothing here is special: the demo writes a configuration to a temporary directory and serves it as `serve` would.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tracing::level_filters::LevelFilter;

use crate::config::{self, ListenAddress, Secrets};
use crate::domain::secret::IssuedKey;
use crate::keys::issue;
use crate::server::{Gateway, StartError};
use crate::simulator::{Simulator, SimulatorConfig, SimulatorKey};
use crate::telemetry::{self, Format};

use super::explain;
use super::output::{self, Style, styled};
use super::serve::with_mend;
use super::shutdown::Signals;
use super::simulate::today;
use super::values;

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  clickbank-gateway demo\n\nIt needs nothing else, talks to nobody but itself, and stays up until Ctrl-C."
)]
pub(crate) struct Demo {
    /// Where the gateway listens; loopback only [default: 127.0.0.1:7310, or any free port if that is taken]
    #[arg(long, value_parser = values::loopback, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

/// The credentials: the names of the simulator's keys. All but the last are confined to what some caller holds.
const CREDENTIALS: [&str; 5] = ["acme", "acmeaff", "zenith", "acme-both", "all"];

/// Where the gateway listens unless it is told otherwise.
const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7310);

/// A made-up internal app.
struct Caller {
    name: &'static str,
    grants: &'static str,
    key: IssuedKey,
}

const CALLERS: [(&str, &str); 5] = [
    ("dashboard", "orders_read = [\"acme\", \"acmeaff\"]"),
    ("storefront", "products = [\"zenith\"]"),
    ("finance", "orders_read = [\"acme\", \"zenith\"]"),
    ("reporting", "analytics = \"all\""),
    ("helpdesk", "orders_write = [\"orbit\"]"),
];

/// A call of the demo.
struct Example {
    title: &'static str,
    caller: Option<&'static str>,
    nickname: Option<&'static str>,
    method: &'static str,
    target: &'static str,
    idempotency_key: Option<&'static str>,
}

const fn example(
    title: &'static str,
    caller: &'static str,
    nickname: Option<&'static str>,
    method: &'static str,
    target: &'static str,
) -> Example {
    Example { title, caller: Some(caller), nickname, method, target, idempotency_key: None }
}

/// A refund of helpdesk's, under an idempotency key.
const fn refund(title: &'static str, target: &'static str, key: &'static str) -> Example {
    Example { idempotency_key: Some(key), ..example(title, "helpdesk", None, "POST", target) }
}

/// `{own}` and `{foreign}` stand for receipts of orbit's and of zenith's.
const EXAMPLES: [Example; 20] = [
    example(
        "dashboard may read orders of acme and acmeaff, so it sees those two",
        "dashboard",
        None,
        "GET",
        "/rest/1.3/orders2/list",
    ),
    example(
        "the same, confined to one nickname by a header",
        "dashboard",
        Some("acmeaff"),
        "GET",
        "/rest/1.3/orders2/list",
    ),
    example(
        "... or by the base URL, for apps that can change nothing else",
        "dashboard",
        None,
        "GET",
        "/@acme/rest/1.3/orders2/count",
    ),
    example(
        "zenith is another nickname of the same company",
        "dashboard",
        Some("zenith"),
        "GET",
        "/rest/1.3/orders2/list",
    ),
    example(
        "storefront may manage zenith's products",
        "storefront",
        None,
        "GET",
        "/rest/1.3/products/list?site=zenith",
    ),
    example(
        "... and may add one",
        "storefront",
        None,
        "PUT",
        "/rest/1.3/products/guide-2?site=zenith&currency=USD&price=19.00&language=EN&title=Guide",
    ),
    example("... but not acme's", "storefront", None, "GET", "/rest/1.3/products/list?site=acme"),
    example("... and no orders at all", "storefront", None, "GET", "/rest/1.3/orders2/list"),
    example(
        "finance may read acme and zenith, but a bare count does not tell them apart",
        "finance",
        None,
        "GET",
        "/rest/1.3/tickets/count",
    ),
    example("... so it says which one it means", "finance", Some("zenith"), "GET", "/rest/1.3/tickets/count"),
    example(
        "reporting may read the analytics of All Accounts",
        "reporting",
        None,
        "GET",
        "/rest/1.3/analytics/vendor/affiliate?account=acme",
    ),
    example(
        "helpdesk may read orbit, for which there is only a ClickBank key that reaches all: the request is confined",
        "helpdesk",
        None,
        "GET",
        "/rest/1.3/orders2/list?role=VENDOR",
    ),
    example("... an order of orbit's passes", "helpdesk", None, "GET", "/rest/1.3/orders2/{own}"),
    example(
        "... what could be refunded of it, too, once it is looked up whose it is",
        "helpdesk",
        None,
        "GET",
        "/rest/1.3/tickets/refundAmounts/{own}?refundType=FULL&refundAmount=0",
    ),
    refund(
        "... and the refund itself, since helpdesk may write there; it is made once under its Idempotency-Key",
        "/rest/1.3/tickets/{own}?type=rfnd&refundType=FULL&reason=ticket.type.refund.8",
        "case-1",
    ),
    refund(
        "... so whoever asks again gets the same answer, and nothing is sent",
        "/rest/1.3/tickets/{own}?type=rfnd&refundType=FULL&reason=ticket.type.refund.8",
        "case-1",
    ),
    refund(
        "... but no refund of zenith's order, although the ClickBank key could",
        "/rest/1.3/tickets/{foreign}?type=rfnd&refundType=FULL&reason=ticket.type.refund.8",
        "case-2",
    ),
    example(
        "... and an order of zenith's is as good as unknown",
        "helpdesk",
        None,
        "GET",
        "/rest/1.3/orders2/{foreign}",
    ),
    example("ClickBank's debug page would repeat the real key", "reporting", None, "GET", "/rest/1.3/debug"),
    Example {
        title: "without a key of the gateway, nothing",
        caller: None,
        nickname: None,
        method: "GET",
        target: "/rest/1.3/orders2/list",
        idempotency_key: None,
    },
];

impl Demo {
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let finished = runtime.block_on(self.demonstrate());
        runtime.shutdown_background();
        finished
    }

    async fn demonstrate(self) -> anyhow::Result<bool> {
        let mut signals = Signals::install()?;
        telemetry::init(Format::of_standard_error(), LevelFilter::WARN, LevelFilter::OFF);
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut settings = SimulatorConfig::demo(1, today());
        settings.address = loopback;
        let simulator = Simulator::start(settings).await.context("the stand-in for ClickBank cannot start")?;
        let callers = CALLERS
            .into_iter()
            .map(|(name, grants)| Ok(Caller { name, grants, key: issue::new_key()? }))
            .collect::<Result<Vec<_>, issue::NoRandomness>>()?;
        let directory = tempfile::Builder::new().prefix("clickbank-gateway-demo-").tempdir()?;
        let gateway = self.start(directory.path(), &simulator, &callers).await?;
        let ListenAddress::Tcp(address) = *gateway.address() else { anyhow::bail!("the demo listens on TCP") };

        let colour = output::colour();
        output::print(&introduction(&simulator, address, &callers, colour))?;
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let mut leaks = 0;
        let receipts = Receipts::of(&simulator).context("the stand-in has orders of both")?;
        for (number, example) in (1..).zip(&EXAMPLES) {
            let target = receipts.fill(example.target);
            let answer = example.ask(&client, address, &callers, &target).await?;
            leaks += usize::from(answer.holds_one_of(simulator.keys()));
            output::print(&example.describe(number, &target, &answer, colour))?;
        }
        output::print(&tally(&simulator, &callers, leaks))?;
        output::print(&further(address, &callers, directory.path(), colour)?)?;

        signals.next().await;
        tokio::select! {
            _ = gateway.drain(Duration::from_secs(5)) => {}
            () = signals.next() => {}
        }
        simulator.stop().await;
        Ok(true)
    }

    /// Starts the gateway, on a free port if the usual one is taken and the user did not insist on it.
    async fn start(&self, directory: &Path, simulator: &Simulator, callers: &[Caller]) -> anyhow::Result<Gateway> {
        let mut listen = self.listen.unwrap_or(USUAL);
        loop {
            write_configuration(directory, simulator, callers, listen)?;
            let file = directory.join("gateway.toml");
            let (config, _) =
                config::load(&file, Secrets::Read).map_err(|findings| anyhow::anyhow!(explain(&file, &findings)))?;
            match Gateway::start(config).await {
                Err(StartError::Listen { source, .. })
                    if source.kind() == io::ErrorKind::AddrInUse && self.listen.is_none() && listen == USUAL =>
                {
                    output::print(&format!("{USUAL} is taken, so the demo takes a free port.\n\n"))?;
                    listen.set_port(0);
                }
                started => return started.map_err(with_mend),
            }
        }
    }
}

fn write_configuration(
    directory: &Path,
    simulator: &Simulator,
    callers: &[Caller],
    listen: SocketAddr,
) -> anyhow::Result<()> {
    let mut gateway = format!(
        "state = \"state\"\n\n[listen]\naddress = \"{listen}\"\n\n[health]\naddress = \"127.0.0.1:0\"\n\n\
         [upstream]\nurl = \"{}\"\nca_file = \"simulator-ca.pem\"\n\n\
         [nicknames]\nacme = \"seller\"\nacmeaff = \"affiliate\"\nzenith = \"seller\"\norbit = \"both\"\n",
        simulator.url()
    );
    for key in simulator.keys().iter().filter(|key| CREDENTIALS.contains(&key.name())) {
        let name = key.name();
        let secret = directory.join(format!("clickbank-{name}"));
        fs::write(&secret, key.secret().expose())?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        gateway.push_str(&format!(
            "\n[credentials.{name}]\napi_key = {{ file = \"clickbank-{name}\" }}\n[credentials.{name}.reach]\n{}",
            reach(name)
        ));
    }
    let mut keys = String::new();
    for caller in callers {
        keys.push_str(&format!(
            "[keys.{name}]\nid = \"key_demo_{name}\"\nstatus = \"active\"\ndigest = \"{digest}\"\n\n[keys.{name}.grants]\n{grants}\n\n",
            name = caller.name,
            digest = caller.key.digest(),
            grants = caller.grants,
        ));
    }
    fs::write(directory.join("simulator-ca.pem"), simulator.ca_pem())?;
    fs::write(directory.join("keys.toml"), keys)?;
    fs::write(directory.join("gateway.toml"), gateway)?;
    Ok(())
}

/// What the simulator gives its key of that name, as an operator would read it off API Management.
fn reach(credential: &str) -> &'static str {
    match credential {
        "acme" => "orders_read = [\"acme\"]\n",
        "acmeaff" => "orders_read = [\"acmeaff\"]\n",
        "zenith" => "orders_read = [\"zenith\"]\nproducts = [\"zenith\"]\n",
        "acme-both" => "orders_read = [\"acme\", \"acmeaff\"]\n",
        _ => "analytics = \"all\"\norders_write = \"all\"\n",
    }
}

fn introduction(simulator: &Simulator, address: SocketAddr, callers: &[Caller], colour: bool) -> String {
    let mut text = format!(
        "{}\n\nA stand-in for ClickBank serves at {}, with a certificate of its own.\n\
         The gateway serves at http://{address}, and is the only one that has ClickBank's keys.\n\n\
         Five made-up apps hold keys of the gateway:\n",
        styled("clickbank-gateway demo", Style::Bold, colour),
        simulator.url(),
    );
    for caller in callers {
        text.push_str(&format!("  {:11} {}\n", caller.name, caller.grants));
    }
    text.push('\n');
    text
}

/// Receipts that the demo's calls name.
struct Receipts {
    own: String,
    foreign: String,
}

impl Receipts {
    fn of(simulator: &Simulator) -> Option<Self> {
        let world = simulator.world();
        let records = world.records();
        let sold_by = |seller: &str| {
            let alone = |receipt: &str| records.orders_of(receipt).all(|order| order.seller.as_str() == seller);
            let receipts = records.orders.iter().map(|order| order.receipt.as_str());
            receipts.into_iter().find(|receipt| alone(receipt)).map(str::to_owned)
        };
        Some(Self { own: sold_by("orbit")?, foreign: sold_by("zenith")? })
    }

    fn fill(&self, target: &str) -> String {
        target.replace("{own}", &self.own).replace("{foreign}", &self.foreign)
    }
}

/// An answer of the gateway.
struct Answer {
    head: http::response::Parts,
    body: Bytes,
}

impl Answer {
    /// Whether a key of ClickBank's stand-in shows anywhere in it.
    fn holds_one_of(&self, keys: &[SimulatorKey]) -> bool {
        let body = String::from_utf8_lossy(&self.body);
        keys.iter().map(|key| key.secret().expose()).any(|secret| {
            let in_head =
                self.head.headers.values().any(|value| value.to_str().is_ok_and(|value| value.contains(secret)));
            in_head || body.contains(secret)
        })
    }
}

impl Example {
    async fn ask(
        &self,
        client: &Client<HttpConnector, Empty<Bytes>>,
        address: SocketAddr,
        callers: &[Caller],
        target: &str,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(format!("http://{address}{target}"))
            .header("accept", "application/json");
        if let Some(caller) = callers.iter().find(|caller| Some(caller.name) == self.caller) {
            request = request.header("authorization", caller.key.expose_once());
        }
        if let Some(nickname) = self.nickname {
            request = request.header("gateway-nickname", nickname);
        }
        if let Some(key) = self.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let (head, body) = client.request(request.body(Empty::new())?).await?.into_parts();
        Ok(Answer { head, body: body.collect().await?.to_bytes() })
    }

    fn describe(&self, number: usize, target: &str, answer: &Answer, colour: bool) -> String {
        let status = answer.head.status.as_u16();
        let refused = answer.head.headers.get("gateway-error").and_then(|code| code.to_str().ok());
        let (outcome, style, said) = match refused {
            Some(code) => (format!("{status} {code}"), Style::Bad, detail(&answer.body)),
            None if answer.head.headers.contains_key("gateway-replayed") => (
                status.to_string(),
                Style::Good,
                format!("{}, as before (Gateway-Replayed: true)", summary(&answer.body)),
            ),
            None => (status.to_string(), Style::Good, summary(&answer.body)),
        };
        let named =
            |name: &str, value: Option<&str>| value.map(|value| format!("   {name}: {value}")).unwrap_or_default();
        let nickname = named("Gateway-Nickname", self.nickname) + &named("Idempotency-Key", self.idempotency_key);
        format!(
            "{number:2}. {}\n    {} {}{nickname}\n    {}  {said}\n\n",
            self.title,
            self.method,
            target,
            styled(&outcome, style, colour),
        )
    }
}

fn detail(body: &[u8]) -> String {
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    problem.get("detail").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

/// What an answer holds, in a few words.
fn summary(body: &[u8]) -> String {
    let Ok(answer) = serde_json::from_slice::<serde_json::Value>(body) else {
        return match std::str::from_utf8(body) {
            Ok(text) if text.len() < 60 => format!("the text {text}"),
            _ => format!("{} bytes", body.len()),
        };
    };
    if let serde_json::Value::Number(count) = &answer {
        return format!("a count: {count}");
    }
    let mut rows = Vec::new();
    collect_rows(&answer, &mut rows);
    let mut owners: Vec<&str> = rows.iter().filter_map(|row| owner(row)).collect();
    owners.sort_unstable();
    owners.dedup();
    match rows.len() {
        0 => "an empty answer".to_owned(),
        count if owners.is_empty() => format!("{count} rows"),
        count => format!("{count} rows, of {}", owners.join(" and ")),
    }
}

/// The nickname whose row it is, where the row tells: the seller's or the affiliate's own, by its role.
fn owner(row: &serde_json::Value) -> Option<&str> {
    let text = |field: &str| row.get(field).and_then(serde_json::Value::as_str);
    match text("role") {
        Some("VENDOR") => text("vendor"),
        Some("AFFILIATE") => text("affiliate"),
        Some(_) => None,
        None => text("site").or_else(|| text("accountNickName")),
    }
}

/// The rows of the outermost list.
fn collect_rows<'a>(value: &'a serde_json::Value, rows: &mut Vec<&'a serde_json::Value>) {
    let serde_json::Value::Object(members) = value else { return };
    for member in members.values() {
        match member {
            serde_json::Value::Array(elements) => rows.extend(elements),
            serde_json::Value::Object(inner) if inner.values().any(serde_json::Value::is_string) => rows.push(member),
            _ => collect_rows(member, rows),
        }
    }
}

/// What arrived where it should, and nowhere else.
fn tally(simulator: &Simulator, callers: &[Caller], leaks: usize) -> String {
    let received = simulator.received();
    let ours = received.iter().filter(|request| {
        let values = request.header_values("authorization");
        values.iter().any(|value| callers.iter().any(|caller| value.contains(caller.key.expose_once())))
    });
    format!(
        "ClickBank's stand-in received {} requests for these {} calls, what had to be asked first included.\n\
         Keys of the gateway that reached it: {}. Keys of ClickBank in the answers above: {leaks}.\n\n",
        received.len(),
        EXAMPLES.len(),
        ours.count(),
    )
}

/// What to try next.
fn further(address: SocketAddr, callers: &[Caller], directory: &Path, colour: bool) -> anyhow::Result<String> {
    let mut text = format!("{}\n", styled("Go on with:", Style::Bold, colour));
    let key_of = |name: &str| callers.iter().find(|caller| caller.name == name).map(|caller| caller.key.expose_once());
    for (name, arguments) in [
        ("dashboard", format!("-H 'Accept: application/json' http://{address}/rest/1.3/orders2/list")),
        ("storefront", format!("-i 'http://{address}/rest/1.3/products/list?site=acme'")),
        ("finance", format!("http://{address}/@zenith/rest/1.3/tickets/count")),
    ] {
        let key = key_of(name).context("a caller of the demo")?;
        text.push_str(&format!("  curl -H 'Authorization: {key}' {arguments}\n"));
    }
    let program = std::env::current_exe()?;
    let program = program.display();
    text.push_str(&format!(
        "  {program} --config {directory}/gateway.toml matrix\n  \
         {program} --config {directory}/gateway.toml can-i finance GET /rest/1.3/tickets/count\n\n\
         It all stays up until Ctrl-C.\n",
        directory = directory.display(),
    ));
    Ok(text)
}
