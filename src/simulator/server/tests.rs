//! The simulator over real sockets and real TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::simulator::config::SimulatorConfig;
use crate::simulator::wire::Request;

fn client_config(ca_pem: &str, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn client(ca_pem: &str) -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(client_config(ca_pem, rustls::ALL_VERSIONS))
        .https_only()
        .enable_http1()
        .build();
    Client::builder(TokioExecutor::new()).build(connector)
}

fn request(method: Method, url: &str, key: &str, body: &'static str) -> http::Request<Full<Bytes>> {
    http::Request::builder()
        .method(method)
        .uri(url)
        .header("Authorization", key)
        .header("Accept", "application/json")
        .body(Full::from(body))
        .unwrap()
}

async fn start() -> Simulator {
    Simulator::start(SimulatorConfig::default()).await.unwrap()
}

fn secret(simulator: &Simulator, name: &str) -> String {
    let key = simulator.keys().iter().find(|key| key.name() == name);
    key.unwrap().secret().expose().to_owned()
}

#[tokio::test]
async fn it_answers_over_tls_as_the_world_does_without() {
    let simulator = start().await;
    let key = secret(&simulator, "acme");
    let target = "/rest/1.3/orders2/list?vendor=acme";
    let url = format!("{}{target}", simulator.url());
    let response = client(simulator.ca_pem()).request(request(Method::GET, &url, &key, "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["server"], "clickbank-simulator");
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let expected = simulator
        .world()
        .answer(&Request::get(target).with_header("Authorization", &key).with_header("Accept", "application/json"));
    assert_eq!(body, expected.body);

    let received = simulator.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].target, target);
    assert_eq!(received[0].header("authorization"), Some(key.as_str()));
    assert_eq!(received[0].tls_version, "TLS 1.3");
    simulator.stop().await;
}

#[tokio::test]
async fn bodies_are_counted_and_ignored_and_connections_are_told_apart() {
    let simulator = start().await;
    let key = secret(&simulator, "acme");
    let url = format!("{}/rest/1.3/tickets/count", simulator.url());
    for (method, body, expected) in
        [(Method::POST, "type=rfnd", StatusCode::METHOD_NOT_ALLOWED), (Method::GET, "", StatusCode::OK)]
    {
        let client = client(simulator.ca_pem());
        let asked = client.request(request(method, &url, &key, body)).await;
        assert_eq!(asked.unwrap().status(), expected);
    }
    let received = simulator.received();
    let seen: Vec<(u64, usize)> = received.iter().map(|request| (request.connection, request.body_bytes)).collect();
    assert_eq!(seen, [(1, 9), (2, 0)]);
    simulator.stop().await;
}

#[tokio::test]
async fn a_request_is_recorded_as_it_was_spelt() {
    let simulator = start().await;
    let config = client_config(simulator.ca_pem(), &[&rustls::version::TLS12]);
    let stream = TcpStream::connect(simulator.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await.unwrap();
    let chunked = "POST /rest/1.3/debug;x HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   2\r\nab\r\n0\r\n\r\n";
    let plain = "GET /rest/1.3/debug?a=1&a=2 HTTP/1.1\r\nX-oDD: 1\r\nHost: a\r\nx-Odd:  2\r\n\
                 Connection: close\r\n\r\n";
    stream.write_all(chunked.as_bytes()).await.unwrap();
    let mut answer = vec![0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    stream.write_all(plain.as_bytes()).await.unwrap();
    // The server may close without a word of farewell.
    let _closed_either_way = stream.read_to_end(&mut answer).await;

    let received = simulator.received();
    assert_eq!(received[0].target, "/rest/1.3/debug;x");
    assert_eq!(received[0].body_bytes, 2);
    assert_eq!(received[1].target, "/rest/1.3/debug?a=1&a=2");
    let names: Vec<&str> = received[1].headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["X-oDD", "Host", "x-Odd", "Connection"]);
    assert_eq!(received[1].header_values("x-odd"), ["1", "2"]);
    assert_eq!(received[1].tls_version, "TLS 1.2");
    assert_eq!(received[0].connection, received[1].connection);
    simulator.stop().await;
}

#[tokio::test]
async fn a_client_that_trusts_somebody_else_is_turned_away_by_itself() {
    let (simulator, other) = (start().await, start().await);
    let url = format!("{}/rest/1.3/debug", simulator.url());
    let asked = client(other.ca_pem()).request(request(Method::GET, &url, "x", "")).await;
    assert!(asked.is_err());
    assert!(simulator.received().is_empty());
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let config =
        SimulatorConfig { address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), ..SimulatorConfig::default() };
    let error = Simulator::start(config).await.unwrap_err();
    assert!(error.to_string().contains("loopback"), "{error}");
}

#[tokio::test]
async fn stopping_closes_idle_connections_and_the_port() {
    let simulator = start().await;
    let (url, address) = (simulator.url(), simulator.address());
    let client = client(simulator.ca_pem());
    let url = format!("{url}/rest/1.3/orders2");
    let response = client.request(request(Method::GET, &url, "x", "")).await;
    let _kept_alive = response.unwrap().into_body().collect().await.unwrap();
    let started = std::time::Instant::now();
    simulator.stop().await;
    assert!(started.elapsed() < DRAIN_TIME);
    assert!(TcpStream::connect(address).await.is_err());
}
