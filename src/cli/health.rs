//! `health`: asks a running gateway whether it is ready, as a container's health check does.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::config;

use super::Context;
use super::output;

/// A gateway that takes longer than this is not healthy.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Arguments of `health`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  clickbank-gateway health\n  clickbank-gateway health --address 127.0.0.1:7311\n\n\
                        Exit codes: 0 ready, 1 not ready or not there, 2 could not ask."
)]
pub(crate) struct HealthCommand {
    /// The health listener's address [default: the one in the configuration]
    #[arg(long, value_parser = super::values::address)]
    address: Option<SocketAddr>,
}

impl HealthCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let address = if let Some(address) = self.address {
            address
        } else {
            // The rest of the file may be wrong by now; the gateway that is asked was started with another.
            let file = context.config_file()?;
            let address = config::health_address(&file);
            address.with_context(|| format!("{} does not name a health address; try --address", file.display()))?
        };
        let answer = ask(reachable(address));
        match &answer {
            Ok(answer) => output::print(&format!("{}\n", answer.text))?,
            Err(error) => output::complain(&format!("no gateway answers at {address}: {error}")),
        }
        Ok(answer.is_ok_and(|answer| answer.ready))
    }
}

struct HealthAnswer {
    ready: bool,
    text: String,
}

/// An address that listens everywhere is asked at loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// One request by hand: a health check should not start a runtime.
fn ask(address: SocketAddr) -> std::io::Result<HealthAnswer> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.take(4_096).read_to_string(&mut text)?;
    let ready = text.starts_with("HTTP/1.1 200 ");
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let plain = body.chars().filter(|character| !character.is_control()).take(100).collect::<String>();
    Ok(HealthAnswer {
        ready,
        text: if plain.is_empty() { "not a gateway's health listener".to_owned() } else { plain },
    })
}
