//! The gateway over a world, in this process: no sockets, and a clock that stands still.

use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwap;
use bytes::Bytes;
use clickbank_gateway::config::{self, Secrets, Upstream};
use clickbank_gateway::pipeline::{Pipeline, Shared, pipeline_over};
use clickbank_gateway::simulator::{Answer, Request, World};
use clickbank_gateway::snapshot::Snapshot;
use clickbank_gateway::stage::forward::Forward;
use http::Response;
use http_body_util::{BodyExt as _, Empty};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use super::hostile::{Form, Mangler};
use super::request::Ask;
use super::scene::{Scene, key_of};

/// What decides, made once for a scene.
pub(super) struct Configured {
    current: Arc<ArcSwap<Snapshot>>,
    upstream: Upstream,
}

impl Configured {
    /// Loads a scene's configuration as `serve` does. The credentials are the world's keys of the same names.
    pub(super) fn load(scene: &Scene, world: &World) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("gateway.toml", &scene.gateway_toml());
        write("keys.toml", &scene.keys_toml());
        for (name, _) in &scene.credentials {
            write(name, world.key(name).unwrap().secret().expose());
        }
        let (config, _) =
            config::load(&directory.path().join("gateway.toml"), Secrets::Read).unwrap_or_else(|findings| {
                panic!("{:#?}\n{}\n{}", findings.errors, scene.gateway_toml(), scene.keys_toml())
            });
        Self { current: Arc::new(ArcSwap::from_pointee(config.snapshot)), upstream: config.upstream }
    }
}

/// A request as it came to ClickBank.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// ClickBank, as the gateway finds it.
struct ClickBank {
    world: World,
    seen: Vec<Seen>,
    mangler: Option<Mangler>,
}

impl ClickBank {
    fn answer(&mut self, request: &http::Request<Empty<Bytes>>) -> Answered {
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers: Vec<(String, String)> =
            request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let target = request.uri().path_and_query().unwrap().to_string();
        let asked = Request { method: request.method().clone(), target: target.clone(), headers: headers.clone() };
        self.seen.push(Seen { method: request.method().to_string(), target, headers });
        let answer = Answered::from(self.world.answer(&asked));
        match &mut self.mangler {
            Some(mangler) => mangler.mangle(&mut self.world, &asked, answer),
            None => answer,
        }
    }
}

/// An answer of ClickBank's, as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) content_type: Option<&'static str>,
    pub(super) body: Bytes,
}

impl From<Answer> for Answered {
    fn from(answer: Answer) -> Self {
        Self { status: answer.status.as_u16(), content_type: answer.content_type, body: answer.body }
    }
}

/// An answer of the gateway's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The gateway's own word for its refusal, if it is one.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.header("gateway-error")
    }
}

/// A gateway at work.
pub(super) struct Running {
    clickbank: Arc<Mutex<ClickBank>>,
    pipeline: Pipeline<Empty<Bytes>>,
}

impl Running {
    pub(super) fn start(configured: &Configured, world: World, mangler: Option<Mangler>) -> Self {
        let clickbank = Arc::new(Mutex::new(ClickBank { world, seen: Vec::new(), mangler }));
        let shared = Shared {
            current: Arc::clone(&configured.current),
            pace: Arc::default(),
            quota: Arc::default(),
            flights: Arc::default(),
        };
        let asked = Arc::clone(&clickbank);
        let forward = Forward::in_process(
            &configured.upstream,
            Box::new(move |request| {
                let Answered { status, content_type, body } = asked.lock().unwrap().answer(request);
                let mut response = Response::builder().status(status);
                if let Some(content_type) = content_type {
                    response = response.header("content-type", content_type);
                }
                response.body(body).unwrap()
            }),
        );
        Self { clickbank, pipeline: pipeline_over(&shared, &configured.upstream, forward) }
    }

    /// What the caller gets, and what came to ClickBank meanwhile.
    pub(super) fn call(&self, runtime: &Runtime, caller: &str, ask: &Ask) -> (Reply, Vec<Seen>) {
        self.clickbank.lock().unwrap().seen.clear();
        let mut request = http::Request::builder().method(ask.fact.method.as_str()).uri(ask.target());
        request = request.header("host", "gateway").header("authorization", key_of(caller));
        // One that the gateway would have to make up differs from run to run.
        request = request.header("x-request-id", "promise").header("cookie", "zqsentbycaller");
        for (name, value) in ask.headers() {
            request = request.header(name, value);
        }
        let request = request.body(Empty::new()).unwrap();
        let reply = runtime.block_on(async {
            let Ok(response) = self.pipeline.clone().oneshot(Ok(request)).await;
            let (head, body) = response.into_parts();
            let Ok(body) = body.collect().await;
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            Reply { status: head.status.as_u16(), headers, body: body.to_bytes() }
        });
        (reply, self.clickbank.lock().unwrap().seen.clone())
    }

    /// Looks at the world, or asks it something past the gateway.
    pub(super) fn with_world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        let mut clickbank: MutexGuard<'_, ClickBank> = self.clickbank.lock().unwrap();
        look(&mut clickbank.world)
    }

    /// What was done to ClickBank's answers since the last time.
    pub(super) fn mangled(&self) -> Vec<Form> {
        self.clickbank.lock().unwrap().mangler.as_mut().map(Mangler::take_done).unwrap_or_default()
    }
}
