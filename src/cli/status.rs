//! `status`: asks a running gateway what it is doing, over its admin listener.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::config::{ListenAddress, Secrets};

use super::Context;
use super::output::{self, OutputFormat, Style, styled};

const TIMEOUT: Duration = Duration::from_secs(3);

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  clickbank-gateway status\n  clickbank-gateway status --output json\n\n\
                        It needs `[admin]` in the configuration. Over TCP, --token-file names the file with the token.")]
pub(crate) struct StatusCommand {
    /// The file with the admin token, for an admin listener on TCP
    #[arg(long, value_name = "FILE")]
    token_file: Option<std::path::PathBuf>,
}

impl StatusCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let config = context.load(Secrets::Skip)?.0;
        let admin = config.admin.context(
            "the configuration has no [admin] section, so there is nobody to ask\n  \
             add one with an `address`, and restart the gateway",
        )?;
        let token = self.token_file.as_ref().map(|file| {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            anyhow::Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        });
        let request = format!(
            "GET /status HTTP/1.1\r\nHost: admin\r\n{}Connection: close\r\n\r\n",
            token.transpose()?.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default()
        );
        let asked = match &admin.address {
            ListenAddress::Tcp(address) => TcpStream::connect_timeout(address, TIMEOUT).and_then(|stream| {
                stream.set_read_timeout(Some(TIMEOUT))?;
                ask(stream, &request)
            }),
            ListenAddress::Unix(path) => UnixStream::connect(path).and_then(|stream| {
                stream.set_read_timeout(Some(TIMEOUT))?;
                ask(stream, &request)
            }),
        };
        let answer = asked.with_context(|| format!("no gateway answers at {}", admin.address))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(body).with_context(|| format!("what answers at {} is no gateway", admin.address))?;
        anyhow::ensure!(
            head.starts_with("HTTP/1.1 200 "),
            "the gateway did not answer: {}",
            status.get("error").and_then(serde_json::Value::as_str).unwrap_or("it gave no reason")
        );
        if context.output == OutputFormat::Json {
            output::print_json(&status)?;
        } else {
            let colour = output::colour();
            for (name, value) in &status {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let name = format!("{:22}", name.replace('_', " "));
                output::print(&format!("{} {value}\n", styled(&name, Style::Dim, colour)))?;
            }
        }
        Ok(true)
    }
}

fn ask(mut stream: impl Read + Write, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(64 << 10).read_to_string(&mut answer)?;
    Ok(answer)
}
