//! The gateway over a simulated world, in this process: no sockets, and a clock that can stand still.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use clickbank_gateway::config::{self, Secrets, Upstream};
use clickbank_gateway::domain::credential::Credentials;
use clickbank_gateway::domain::matrix::Policy;
use clickbank_gateway::pipeline::{Pipeline, Shared, pipeline_over};
use clickbank_gateway::simulator::{Answer, Received, Request, World};
use clickbank_gateway::snapshot::Snapshot;
use clickbank_gateway::stage::forward::Forward;
use clickbank_gateway::stage::shape::Shape;
use http::Response;
use http_body_util::{BodyExt as _, Empty};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

use super::wire;

/// A runtime whose clock goes on only when nothing else does.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// A configuration, loaded.
pub(crate) struct Configured {
    loaded: Snapshot,
    upstream: Upstream,
}

impl Configured {
    /// Loads these two files as `serve` does. Beside them there is a file for each name of `secrets`, with the ClickBank
    /// key of that name.
    pub(crate) fn load<'a>(gateway: &str, keys: &str, secrets: impl Iterator<Item = &'a str>, world: &World) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("gateway.toml", gateway);
        write("keys.toml", keys);
        for name in secrets {
            write(name, world.key(name).unwrap().secret().expose());
        }
        let loaded = config::load(&directory.path().join("gateway.toml"), Secrets::Read);
        let (config, _) = loaded.unwrap_or_else(|findings| panic!("{:#?}\n{gateway}\n{keys}", findings.errors));
        Self { loaded: config.snapshot, upstream: config.upstream }
    }

    /// The snapshot as it was loaded. Whatever a gateway learned of ClickBank with another one of it is not known.
    fn fresh(&self) -> Snapshot {
        let Snapshot { policy, keys, limits, .. } = &self.loaded;
        let reaches = policy.credentials.iter().map(|(_, name, reach)| (name.to_owned(), *reach));
        let secrets = policy.credentials.iter().filter_map(|(id, ..)| self.loaded.secret(id).cloned());
        let policy = Policy { credentials: Credentials::new(reaches), ..policy.clone() };
        Snapshot::new(policy, keys.clone(), *limits, secrets.collect())
    }
}

/// A request as it came to ClickBank.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn of(received: &Received) -> Self {
        let headers = received.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        Self { method: received.method.clone(), target: received.target.clone(), headers: headers.collect() }
    }
}

/// An answer of ClickBank's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: Bytes,
}

impl From<Answer> for Answered {
    fn from(answer: Answer) -> Self {
        Self { status: answer.status.as_u16(), content_type: answer.content_type, body: answer.body }
    }
}

/// An answer of the gateway's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl From<wire::Answer> for Reply {
    fn from(answer: wire::Answer) -> Self {
        Self { status: answer.status, headers: answer.headers, body: answer.body.into() }
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The gateway's own word for its refusal, if it is one.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.header("gateway-error")
    }

    /// Whether it is ClickBank's answer: status, media type and body. Of what type an empty body would have been does not
    /// matter.
    pub(crate) fn is(&self, answer: &Answered) -> bool {
        let media = |text: Option<&str>| text.map(|text| text.split(';').next().unwrap_or_default().to_owned());
        self.status == answer.status
            && self.body == answer.body
            && (self.body.is_empty() || media(self.header("content-type")) == media(answer.content_type))
    }

    pub(crate) fn shown(&self) -> String {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(3_000).collect();
        format!("{} {:?}\n{body}", self.status, self.headers)
    }
}

/// What becomes of ClickBank's answers on their way.
pub(crate) type Twist = Box<dyn FnMut(&mut World, &Request, Answered) -> Answered + Send>;

/// ClickBank, as the gateway finds it.
struct ClickBank {
    world: World,
    seen: Vec<Seen>,
    twist: Option<Twist>,
}

impl ClickBank {
    fn answer(&mut self, request: &http::Request<Empty<Bytes>>) -> Answered {
        let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers: Vec<(String, String)> =
            request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let target = request.uri().path_and_query().unwrap().to_string();
        self.seen.push(Seen { method: request.method().to_string(), target: target.clone(), headers: headers.clone() });
        let asked = Request { method: request.method().clone(), target, headers };
        let answer = Answered::from(self.world.answer(&asked));
        match &mut self.twist {
            Some(twist) => twist(&mut self.world, &asked, answer),
            None => answer,
        }
    }
}

/// A gateway at work.
pub(crate) struct Running {
    clickbank: Arc<Mutex<ClickBank>>,
    pipeline: Pipeline<Empty<Bytes>>,
}

impl Running {
    pub(crate) fn start(configured: &Configured, world: World, twist: Option<Twist>) -> Self {
        let clickbank = Arc::new(Mutex::new(ClickBank { world, seen: Vec::new(), twist }));
        let shared = Shared::new(Arc::new(configured.fresh()));
        let asked = Arc::clone(&clickbank);
        let answer = move |request: &http::Request<Empty<Bytes>>| {
            let Answered { status, content_type, body } = asked.lock().unwrap().answer(request);
            let mut response = Response::builder().status(status);
            if let Some(content_type) = content_type {
                response = response.header("content-type", content_type);
            }
            response.body(body).unwrap()
        };
        let forward = Forward::in_process(&configured.upstream, Shape::new(&shared), Box::new(answer));
        Self { clickbank, pipeline: pipeline_over(&shared, &configured.upstream, forward) }
    }

    /// What a caller gets, and what came to ClickBank meanwhile.
    pub(crate) fn call(
        &self,
        runtime: &Runtime,
        (method, target): (&str, &str),
        headers: &[(&str, String)],
    ) -> (Reply, Vec<Seen>) {
        self.clickbank.lock().unwrap().seen.clear();
        // A request id that the gateway makes up differs from run to run.
        let request = http::Request::builder().method(method).uri(target).header("x-request-id", "in-process");
        let request = headers
            .iter()
            .fold(request.header("host", "gateway"), |request, (name, value)| request.header(*name, value.as_str()));
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
    pub(crate) fn with_world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.clickbank.lock().unwrap().world)
    }
}
