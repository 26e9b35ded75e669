//! Nothing is sent to a server that does not prove, with a certificate of a trusted authority, that it is the one that
//! is configured; whatever is wrong with it, and whichever version of TLS it speaks.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use clickbank_gateway::tls::certificates;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, KeyPair, NameConstraints, SanType,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_rustls::TlsAcceptor;

use crate::support::process::{Lines, PROGRAM, Process};
use crate::support::setup::{Setup, Written};
use crate::support::upstream::{API_KEY, answer};
use crate::support::wire::Connection;
use crate::support::within;

const READ: &str = "/rest/1.3/orders2/list";
const CHANGE: &str = "/rest/1.3/products/a-1?site=acme&currency=USD&price=1&language=EN&title=t";

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

type Authority = CertifiedIssuer<'static, KeyPair>;

/// What a server shows, and the key it has.
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Shown {
    /// With another certificate behind it.
    fn with(mut self, more: &Authority) -> Self {
        self.chain.push(more.der().clone());
        self
    }

    fn config(&self, version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
        config(self.chain.clone(), &self.key.serialize_pem(), version)
    }
}

/// A server's side of TLS. Whether key and certificate belong together is not looked at.
fn config(
    chain: Vec<CertificateDer<'static>>,
    key_pem: &str,
    version: &'static SupportedProtocolVersion,
) -> Arc<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    Arc::new(builder.with_no_client_auth().with_cert_resolver(Arc::new(shown)))
}

/// What an authority's certificate says; `below` is how many authorities may follow it.
fn of_authority(name: &str, below: u8) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params
}

fn root(name: &str) -> Authority {
    CertifiedIssuer::self_signed(of_authority(name, 5), KeyPair::generate().unwrap()).unwrap()
}

fn below(issuer: &Authority, params: CertificateParams) -> Authority {
    CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), issuer).unwrap()
}

/// What the certificate of a server says.
fn of_server(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn server(issuer: &Authority, params: &CertificateParams) -> Shown {
    let key = KeyPair::generate().unwrap();
    Shown { chain: vec![params.signed_by(&key, issuer).unwrap().der().clone()], key }
}

/// The same with one thing changed.
fn changed(mut params: CertificateParams, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    change(&mut params);
    params
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(Ia5String::try_from(name).unwrap())
}

/// A name or an address, as a constraint on names or addresses.
fn subtree(name: &str) -> GeneralSubtree {
    match name.parse() {
        Ok(address) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 32)),
        Err(_) => GeneralSubtree::DnsName(name.to_owned()),
    }
}

fn only(name: &str) -> NameConstraints {
    NameConstraints { permitted_subtrees: vec![subtree(name)], excluded_subtrees: Vec::new() }
}

/// Certificates for `name` that prove it.
fn good(root: &Authority, name: &str) -> Vec<(&'static str, Shown)> {
    let right = || of_server(&[name]);
    let middle = below(root, of_authority("in the middle", 1));
    let last = below(&middle, of_authority("the last", 0));
    let constrained = below(root, changed(of_authority("constrained", 0), |p| p.name_constraints = Some(only(name))));
    vec![
        ("of the authority", server(root, &right())),
        ("of one below it", server(&middle, &right()).with(&middle)),
        ("of one two below it", server(&last, &right()).with(&last).with(&middle)),
        ("of one two below it, in another order", server(&last, &right()).with(&middle).with(&last)),
        ("within the constraint", server(&constrained, &right()).with(&constrained)),
        ("of several names", server(root, &of_server(&["api.example.com", "192.0.2.1", name]))),
        ("for both purposes", {
            let both = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
            server(root, &changed(right(), |p| p.extended_key_usages = both))
        }),
        ("for no named purpose", server(root, &changed(right(), |p| p.extended_key_usages.clear()))),
    ]
}

/// Certificates for `name` that do not prove it, because of who signed them.
fn of_the_wrong_chain(root: &Authority, name: &str) -> Vec<(&'static str, Shown)> {
    let right = || of_server(&[name]);
    let middle = below(root, of_authority("in the middle", 0));
    let namesake = below(root, of_authority("in the middle", 0));
    let too_deep = below(&middle, of_authority("too deep", 0));
    let other = self::root("the other");
    let same_name = self::root("the authority");
    let no_authority = below(root, right());
    let late = |p: &mut CertificateParams| p.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let expired = below(root, changed(of_authority("expired", 0), late));
    let another = if name == "localhost" { "example.com" } else { "192.0.2.1" };
    let elsewhere = below(root, changed(of_authority("elsewhere", 0), |p| p.name_constraints = Some(only(another))));
    let not_here = NameConstraints { permitted_subtrees: Vec::new(), excluded_subtrees: vec![subtree(name)] };
    let not_here = below(root, changed(of_authority("not here", 0), |p| p.name_constraints = Some(not_here)));
    let for_clients = below(
        root,
        changed(of_authority("for clients", 0), |p| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }),
    );
    let mut forged = server(root, &right());
    let mut bytes = forged.chain[0].to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    forged.chain[0] = bytes.into();
    let mut garbled = server(root, &right());
    garbled.chain[0] = b"no certificate".to_vec().into();
    let mut stolen = server(root, &right());
    stolen.key = KeyPair::generate().unwrap();
    let key = KeyPair::generate().unwrap();
    let by_itself = Shown { chain: vec![right().self_signed(&key).unwrap().der().clone()], key };
    vec![
        ("signed by itself", by_itself),
        ("of another authority", server(&other, &right())),
        ("of another authority, which is shown", server(&other, &right()).with(&other)),
        ("of another authority of the same name", server(&same_name, &right())),
        ("of one below, which is not shown", server(&middle, &right())),
        ("of one below, while its namesake is shown", server(&middle, &right()).with(&namesake)),
        ("of one below, while the authority is shown", server(&middle, &right()).with(root)),
        ("of one deeper than allowed", server(&too_deep, &right()).with(&too_deep).with(&middle)),
        ("of a server", server(&no_authority, &right()).with(&no_authority)),
        ("of one below that expired", server(&expired, &right()).with(&expired)),
        ("of one below for other names", server(&elsewhere, &right()).with(&elsewhere)),
        ("of one below for all other names", server(&not_here, &right()).with(&not_here)),
        ("of one below for clients", server(&for_clients, &right()).with(&for_clients)),
        ("with another signature", forged),
        ("of other bytes", garbled),
        ("with the key of another", stolen),
    ]
}

/// Certificates of the right authority that do not prove `name`, because of what they say.
fn saying_the_wrong(root: &Authority, name: &str) -> Vec<(&'static str, Shown)> {
    let right = || of_server(&[name]);
    let of = |names: &[&str]| server(root, &of_server(names));
    let by_sans = |sans: Vec<SanType>| server(root, &changed(of_server(&[]), |p| p.subject_alt_names = sans));
    let purpose = |purpose| server(root, &changed(right(), |p| p.extended_key_usages = vec![purpose]));
    let mut common = of_server(&[]);
    common.distinguished_name.push(DnType::CommonName, name);
    let mut cases = vec![
        ("expired", server(root, &changed(right(), |p| p.not_after = rcgen::date_time_ymd(2020, 1, 1)))),
        ("not yet valid", server(root, &changed(right(), |p| p.not_before = rcgen::date_time_ymd(4000, 1, 1)))),
        ("for clients", purpose(ExtendedKeyUsagePurpose::ClientAuth)),
        ("for programs", purpose(ExtendedKeyUsagePurpose::CodeSigning)),
        ("for any purpose", purpose(ExtendedKeyUsagePurpose::Any)),
        ("an authority's", server(root, &changed(right(), |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)))),
        ("without a name", of(&[])),
        ("with the name where people read it", server(root, &common)),
        ("of another name", of(&["api.example.com"])),
        ("of a name below", of(&[&format!("api.{name}")])),
        ("of a longer name", of(&[&format!("{name}.example.com")])),
        ("of a name that ends in it", of(&[&format!("x{name}")])),
        ("of all names below", of(&[&format!("*.{name}")])),
        ("of all names", by_sans(vec![dns("*")])),
        ("of a name with a NUL", by_sans(vec![dns(&format!("{name}\0.example.com"))])),
        ("of a mail address", by_sans(vec![SanType::Rfc822Name(Ia5String::try_from(format!("root@{name}")).unwrap())])),
        ("of a URL", by_sans(vec![SanType::URI(Ia5String::try_from(format!("https://{name}/")).unwrap())])),
    ];
    if name == "localhost" {
        cases.push(("of the address", of(&["127.0.0.1", "::1"])));
        cases.push(("of half a name", by_sans(vec![dns("local*")])));
    } else {
        cases.push(("of the name", of(&["localhost"])));
        cases.push(("of another address", of(&["127.0.0.2"])));
        cases.push(("of the address as a name", by_sans(vec![dns(name)])));
        cases.push(("of all addresses as names", by_sans(vec![dns("*.0.0.1")])));
    }
    cases
}

/// What a server does with a connection.
#[derive(Clone)]
enum Does {
    /// Shakes hands, and answers what comes.
    Tls(Arc<ServerConfig>),
    /// Says this once something has come, and listens until the other side ends.
    Says(Vec<u8>),
    /// Says this once something has come, and closes.
    SaysAndCloses(Vec<u8>),
}

/// A connection that is over.
struct Met {
    /// What came in TLS.
    inside: Vec<u8>,
    /// What came, of a connection without TLS.
    outside: Vec<u8>,
}

/// A server, and the program before it.
struct Place {
    process: Process,
    gateway: SocketAddr,
    written: Written,
    does: Arc<Mutex<Does>>,
    met: UnboundedReceiver<Met>,
    keys: std::path::PathBuf,
}

impl Place {
    /// A server of this name, and the program that trusts these authorities.
    async fn start(name: &str, authorities: &str) -> Self {
        Self::start_with(&Setup::acme(), name, authorities).await
    }

    async fn start_with(setup: &Setup, name: &str, authorities: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{name}:{}", listener.local_addr().unwrap().port());
        let does = Arc::new(Mutex::new(Does::SaysAndCloses(Vec::new())));
        let (sender, met) = unbounded_channel();
        let now = Arc::clone(&does);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (does, sender) = (now.lock().unwrap().clone(), sender.clone());
                // Nobody listens any more once the test is over.
                tokio::spawn(async move { sender.send(meet(stream, does).await).ok() });
            }
        });
        let written = setup.write(&url, authorities, |_| API_KEY.to_owned());
        let keys = written.path().join("tls-keys");
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(&written.file).args(["serve", "--log", "json", "--log-level", "trace"]);
        // Browsers and curl write the keys of their connections there.
        let mut process = Process::start_in(command.env("SSLKEYLOGFILE", &keys), Lines::Stderr);
        let gateway = process
            .line("line that says where it serves", |line| {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                (line["message"] == "serving").then(|| line["address"].as_str().unwrap().parse().unwrap())
            })
            .await;
        Self { process, gateway, written, does, met, keys }
    }

    /// What a caller is told, which fault is recorded, and what the server met, when it does this.
    async fn call(&mut self, does: Does, method: &str) -> ((u16, Option<String>), Option<String>, Met) {
        *self.does.lock().unwrap() = does;
        let mut connection = Connection::open(self.gateway, &self.written.secrets).await;
        let (target, key) = (if method == "GET" { READ } else { CHANGE }, &self.written.keys["app"]);
        let request = format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {key}\r\n\r\n");
        connection.send(request).await;
        let answer = connection.answer().await;
        let (status, code) = answer.outcome();
        let fault = self
            .process
            .line("record of the request", |line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                (line["message"] == "request").then(|| line["upstream_fault"].as_str().map(str::to_owned))
            })
            .await;
        let met = within("the connection to the server to end", self.met.recv()).await.unwrap();
        assert!(self.met.try_recv().is_err(), "there was one connection");
        ((status, code.map(str::to_owned)), fault, met)
    }

    /// Fails unless a read and a change are refused, and not a byte of them was sent.
    async fn refuses(&mut self, name: &str, does: &Does, fault: &str) {
        for method in ["GET", "PUT"] {
            let (outcome, found, met) = self.call(does.clone(), method).await;
            assert_eq!(outcome, (502, Some("upstream-unreachable".into())), "{name}: {method}");
            assert_eq!(found.as_deref(), Some(fault), "{name}: {method}");
            assert_eq!(met.inside, b"", "{name}: {method}");
            only_handshakes(name, &met.outside);
        }
    }

    async fn refuses_all(&mut self, cases: Vec<(&'static str, Shown)>) {
        for (name, shown) in cases {
            for version in VERSIONS {
                let name = format!("a certificate {name}, {version:?}");
                self.refuses(&name, &Does::Tls(shown.config(version)), "tls-not-verified").await;
            }
        }
    }

    async fn accepts(&mut self, name: &str, config: Arc<ServerConfig>) {
        for method in ["GET", "PUT"] {
            let (outcome, _, met) = self.call(Does::Tls(Arc::clone(&config)), method).await;
            assert_eq!(outcome, (200, None), "{name}: {method}");
            let head = String::from_utf8(met.inside).unwrap();
            assert!(head.contains(API_KEY), "{name}: {method}: {head}");
        }
    }
}

async fn meet(mut stream: TcpStream, does: Does) -> Met {
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    match does {
        Does::Tls(config) => {
            if let Ok(mut stream) = TlsAcceptor::from(config).accept(stream).await {
                read_until(&mut stream, &mut inside, |read| read.ends_with(b"\r\n\r\n")).await;
                let bytes = answer("200 OK", "Content-Type: text/plain\r\nConnection: close\r\n", "1");
                // The gateway may be gone, and is right to be.
                let _ = stream.write_all(bytes.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
        Does::Says(bytes) => {
            read_until(&mut stream, &mut outside, |_| true).await;
            let _ = stream.write_all(&bytes).await;
            read_until(&mut stream, &mut outside, |_| false).await;
        }
        Does::SaysAndCloses(bytes) => {
            read_until(&mut stream, &mut outside, |_| true).await;
            let _ = stream.write_all(&bytes).await;
        }
    }
    Met { inside, outside }
}

/// Reads until it is enough, or there is no more.
async fn read_until(stream: &mut (impl AsyncRead + Unpin), read: &mut Vec<u8>, enough: impl Fn(&[u8]) -> bool) {
    let mut piece = [0; 4 << 10];
    while let Ok(length @ 1..) = stream.read(&mut piece).await {
        read.extend_from_slice(&piece[..length]);
        if enough(read) {
            return;
        }
    }
}

/// Fails unless these are TLS records without application data.
fn only_handshakes(name: &str, mut bytes: &[u8]) {
    const ALERT: u8 = 21;
    const HANDSHAKE: u8 = 22;
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        assert!(matches!(*kind, ALERT | HANDSHAKE), "{name}: a record of kind {kind}");
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        bytes = rest.get(length..).unwrap_or_default();
    }
}

/// A `ServerHello` of a version, with a cipher suite.
fn server_hello(version: [u8; 2], suite: [u8; 2], random: [u8; 32]) -> Vec<u8> {
    let body = [&version[..], &random, &[0], &suite, &[0]].concat();
    let length = u8::try_from(body.len()).unwrap();
    [&[22, version[0], version[1], 0, length + 4, 2, 0, 0, length], &body[..]].concat()
}

const ECDHE_RSA_AES128_SHA: [u8; 2] = [0xc0, 0x13];
const RSA_AES128_SHA: [u8; 2] = [0x00, 0x2f];
const RSA_NULL_SHA: [u8; 2] = [0x00, 0x02];
const ECDHE_ECDSA_AES128_GCM_SHA256: [u8; 2] = [0xc0, 0x2b];

#[tokio::test]
async fn a_certificate_that_proves_the_name_is_accepted_and_no_other() {
    for name in ["localhost", "127.0.0.1"] {
        let root = root("the authority");
        let mut place = Place::start(name, &root.pem()).await;
        for (about, shown) in good(&root, name) {
            for version in VERSIONS {
                place.accepts(about, shown.config(version)).await;
            }
        }
        place.refuses_all(of_the_wrong_chain(&root, name)).await;
        place.refuses_all(saying_the_wrong(&root, name)).await;
        // What was refused has not been remembered, and what was accepted before proves nothing now.
        place.accepts("after all", server(&root, &of_server(&[name])).config(&TLS13)).await;
        assert!(!place.keys.exists(), "the keys of connections were written down");
    }
}

/// Shows one certificate first, and another from then on.
#[derive(Debug)]
struct Changing {
    first: Mutex<Option<Arc<CertifiedKey>>>,
    then: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Changing {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let first = self.first.lock().unwrap().take();
        Some(first.unwrap_or_else(|| Arc::clone(&self.then)))
    }
}

#[tokio::test]
async fn a_connection_before_vouches_for_none_after_it() {
    let root = root("the authority");
    let mut place = Place::start("localhost", &root.pem()).await;
    let late = changed(of_server(&["localhost"]), |p| p.not_after = rcgen::date_time_ymd(2020, 1, 1));
    for version in VERSIONS {
        let provider = aws_lc_rs::default_provider();
        let certified = |shown: Shown| {
            let key = PrivateKeyDer::from_pem_slice(shown.key.serialize_pem().as_bytes()).unwrap();
            Arc::new(CertifiedKey::new(shown.chain, provider.key_provider.load_private_key(key).unwrap()))
        };
        let changing = Changing {
            first: Mutex::new(Some(certified(server(&root, &of_server(&["localhost"]))))),
            then: certified(server(&root, &late)),
        };
        // The server's memory of sessions is that of its configuration, which stays the same.
        let builder = ServerConfig::builder_with_provider(Arc::new(provider.clone()));
        let builder = builder.with_protocol_versions(&[version]).unwrap().with_no_client_auth();
        let does = Does::Tls(Arc::new(builder.with_cert_resolver(Arc::new(changing))));
        let (outcome, _, _) = place.call(does.clone(), "GET").await;
        assert_eq!(outcome, (200, None));
        place.refuses(&format!("expired since, {version:?}"), &does, "tls-not-verified").await;
    }
}

#[tokio::test]
async fn a_server_that_would_rather_speak_http2_is_spoken_to_as_it_is_verified() {
    let root = root("the authority");
    let mut place = Place::start("localhost", &root.pem()).await;
    let mut config = Arc::unwrap_or_clone(server(&root, &of_server(&["localhost"])).config(&TLS13));
    config.alpn_protocols = vec![b"h2".to_vec()];
    // No protocol is offered, which means HTTP/1.1.
    place.accepts("HTTP/2 only", Arc::new(config)).await;
}

#[tokio::test]
async fn weak_signatures_are_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/weak");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let key = read("leaf.key");
    for (name, accepted) in [("strong", true), ("sha1", false), ("rsa1024", false)] {
        let mut place = Place::start("localhost", &read(&format!("{name}-authority.pem"))).await;
        for version in VERSIONS {
            let chain = certificates(read(&format!("{name}.pem")).as_bytes()).unwrap();
            let config = config(chain, &key, version);
            if accepted {
                place.accepts(name, config).await;
            } else {
                place.refuses(name, &Does::Tls(config), "tls-not-verified").await;
            }
        }
    }
}

#[tokio::test]
async fn old_versions_weak_ciphers_and_what_is_no_tls_are_refused() {
    let mut place = Place::start("localhost", &root("the authority").pem()).await;
    let hello = |version, suite| server_hello(version, suite, [7; 32]);
    let mut downgraded = [7; 32];
    downgraded[24..].copy_from_slice(b"DOWNGRD\x01");
    let half = &hello([3, 3], ECDHE_ECDSA_AES128_GCM_SHA256)[..20];
    for (name, bytes) in [
        ("SSL 3.0", hello([3, 0], RSA_AES128_SHA)),
        ("TLS 1.0", hello([3, 1], ECDHE_RSA_AES128_SHA)),
        ("TLS 1.1", hello([3, 2], ECDHE_RSA_AES128_SHA)),
        ("TLS 1.2 without forward secrecy", hello([3, 3], RSA_AES128_SHA)),
        ("TLS 1.2 without encryption", hello([3, 3], RSA_NULL_SHA)),
        ("a server of TLS 1.3 that was talked down", server_hello([3, 3], ECDHE_ECDSA_AES128_GCM_SHA256, downgraded)),
        ("a version of the future", hello([3, 9], ECDHE_ECDSA_AES128_GCM_SHA256)),
        ("an alert about the version", vec![21, 3, 1, 0, 2, 2, 70]),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("HTTP/2", b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        ("nothing sensible", vec![0; 64]),
    ] {
        place.refuses(name, &Does::Says(bytes), "tls-not-verified").await;
    }
    // What may be over soon is tried again, unless nobody wants that.
    let once = Setup::acme().upstream("retries = 0");
    let mut place = Place::start_with(&once, "localhost", &root("the authority").pem()).await;
    for (name, bytes) in [("closes", &[][..]), ("closes amid its hello", half)] {
        place.refuses(name, &Does::SaysAndCloses(bytes.to_vec()), "connect-failed").await;
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_given_up() {
    let setup = Setup::acme().upstream("connect_timeout = \"1s\"\nretries = 0");
    let mut place = Place::start_with(&setup, "localhost", &root("the authority").pem()).await;
    let hello = server_hello([3, 3], ECDHE_ECDSA_AES128_GCM_SHA256, [7; 32]);
    for (name, bytes) in [("is silent", &[][..]), ("stops amid its hello", &hello[..20])] {
        place.refuses(name, &Does::Says(bytes.to_vec()), "connect-timeout").await;
    }
}
