//! A client that speaks TLS to a simulator, sends any bytes, and tells what came and how the connection ended.

use std::net::SocketAddr;
use std::sync::Arc;

use clickbank_gateway::simulator::Simulator;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::within;

pub(crate) struct RawTls(TlsStream<TcpStream>);

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Closed,
    Reset,
    /// Without the farewell of TLS.
    CutOff,
}

impl RawTls {
    pub(crate) async fn connect(simulator: &Simulator) -> Self {
        Self::connect_to(simulator.address(), simulator.ca_pem()).await
    }

    pub(crate) async fn connect_to(address: SocketAddr, ca_pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Self(within("TLS", TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("room to send", self.0.write_all(bytes.as_ref())).await.unwrap();
        within("room to send", self.0.flush()).await.unwrap();
    }

    /// The bytes up to and with `end`.
    pub(crate) async fn read_through(&mut self, end: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end) {
            bytes.push(within("more bytes", self.0.read_u8()).await.unwrap());
        }
        bytes
    }

    /// A whole answer that has a `content-length`, as text.
    pub(crate) async fn answer(&mut self) -> String {
        let mut bytes = self.read_through(b"\r\n\r\n").await;
        let head = String::from_utf8(bytes.clone()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        let mut body = vec![0; length.parse().unwrap()];
        within("a body", self.0.read_exact(&mut body)).await.unwrap();
        bytes.append(&mut body);
        String::from_utf8(bytes).unwrap()
    }

    /// Everything that still comes, and how it ends.
    pub(crate) async fn rest(mut self) -> (Vec<u8>, Ending) {
        let mut bytes = Vec::new();
        let mut piece = vec![0; 16 * 1024];
        loop {
            match within("the end", self.0.read(&mut piece)).await {
                Ok(0) => return (bytes, Ending::Closed),
                Ok(length) => bytes.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return (bytes, Ending::Reset),
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return (bytes, Ending::CutOff),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
