//! What a listener with a certificate answers to those who do not speak TLS as it does: nothing that is HTTP, and not
//! for long.

use std::sync::Arc;
use std::time::Duration;

use clickbank_gateway::tls::{certificates, client_config};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::scene::Scene;
use crate::support::setup::Setup;
use crate::support::upstream::{Certificate, Identity};
use crate::support::wire::Connection;
use crate::support::within;

const READ: &str = "/rest/1.3/orders2/count";

/// A gateway with a certificate, and the authority to trust.
async fn scene() -> (Scene, Identity) {
    let identity = Identity::make(Certificate::Good);
    let simulator = crate::support::scene::demo_simulator().await;
    let setup = Setup::acme()
        .listen("address = \"127.0.0.1:0\"\ntls = { cert_file = \"gateway.pem\", key_file = \"gateway.key\" }");
    let written = crate::support::scene::write_for(&setup, &simulator);
    written.file_for_owner("gateway.pem", &identity.certificate);
    written.file_for_owner("gateway.key", &identity.key);
    let gateway = crate::support::scene::start_gateway(&written).await;
    (Scene { simulator, gateway, written }, identity)
}

fn request(scene: &Scene) -> String {
    format!("GET {READ} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {}\r\n\r\n", scene.key("app"))
}

/// Shakes hands, offering these protocols.
async fn shake(
    scene: &Scene,
    identity: &Identity,
    version: &'static rustls::SupportedProtocolVersion,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let authority = certificates(identity.authority.as_bytes()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(authority);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(scene.address()).await.unwrap();
    let name = "127.0.0.1".try_into().unwrap();
    within("a handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

#[tokio::test]
async fn http_1_1_is_chosen_or_nothing() {
    let (scene, identity) = scene().await;
    for version in [&TLS12, &TLS13] {
        for (offered, chosen) in
            [(&[][..], None), (&["http/1.1"], Some("http/1.1")), (&["h2", "http/1.1"], Some("http/1.1"))]
        {
            let stream = shake(&scene, &identity, version, offered).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), chosen.map(str::as_bytes), "{offered:?}");
            let mut connection = Connection::over(stream, &scene.written.secrets);
            connection.send(request(&scene)).await;
            assert_eq!(connection.answer().await.outcome(), (200, None), "{version:?} {offered:?}");
        }
        for offered in [&["h2"][..], &["http/1.0"], &["h3", "h2"]] {
            let refused = shake(&scene, &identity, version, offered).await.map(|_| ()).unwrap_err().to_string();
            assert!(refused.contains("NoApplicationProtocol"), "{offered:?}: {refused}");
        }
    }
    assert_eq!(scene.received().len(), 6);
}

/// A `ClientHello` of a version of old, with the suites of its day.
fn client_hello(version: [u8; 2]) -> Vec<u8> {
    let suites = [0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f, 0x00, 0x35, 0xc0, 0x2b, 0xc0, 0x2f];
    let body = [&version[..], &[7; 32], &[0, 0, 12], &suites, &[1, 0]].concat();
    let length = u8::try_from(body.len()).unwrap();
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length], &body[..]].concat()
}

#[tokio::test]
async fn old_versions_and_what_is_no_tls_get_no_http() {
    let (scene, _) = scene().await;
    let plain = request(&scene).into_bytes();
    for (name, bytes) in [
        ("SSL 3.0", client_hello([3, 0])),
        ("TLS 1.0", client_hello([3, 1])),
        ("TLS 1.1", client_hello([3, 2])),
        ("HTTP", plain.clone()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("HTTP after a hello", [client_hello([3, 1]), plain].concat()),
        ("SSL 2.0", vec![0x80, 0x2e, 1, 0, 2, 0, 3, 0, 0, 0, 16, 1, 0, 0x80, 2, 0, 0x80]),
        ("zeros", vec![0; 64]),
    ] {
        let mut stream = TcpStream::connect(scene.address()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        // It may be reset: what was sent may not all have been read.
        let _ = within("the connection to close", stream.read_to_end(&mut answer)).await;
        let fatal_alert = matches!(answer[..], [21, _, _, 0, 2, 2, _]);
        assert!(answer.is_empty() || fatal_alert, "{name}: {answer:?}");
    }
    assert_eq!(scene.received(), []);
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_closed_by_the_limit() {
    let (scene, identity) = scene().await;
    let hello = {
        let authority = certificates(identity.authority.as_bytes()).unwrap();
        let config = Arc::new(client_config(authority).unwrap());
        let mut client = rustls::ClientConnection::new(config, "127.0.0.1".try_into().unwrap()).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        hello
    };
    // From here on time passes as soon as there is nothing else to do.
    tokio::time::pause();
    for (name, bytes) in [("nothing", &[][..]), ("a byte", &hello[..1]), ("half", &hello[..hello.len() / 2])] {
        let began = Instant::now();
        let mut stream = TcpStream::connect(scene.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, [0; 0], "{name}");
        let waited = began.elapsed();
        assert!((Duration::from_secs(9)..Duration::from_secs(12)).contains(&waited), "{name}: {waited:?}");
    }
    // The whole of a hello is answered, and then the other side has to go on.
    let mut stream = TcpStream::connect(scene.address()).await.unwrap();
    stream.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer.first(), Some(&22));
    assert!(!answer.windows(5).any(|window| window == b"HTTP/"));
    assert_eq!(scene.received(), []);
}
