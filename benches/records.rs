//! What a whole request costs that never leaves the process: reading it, deciding on it, writing its line and counting
//! it. ClickBank answers at once, from memory. So a change in what is done for each record shows beside the whole.
//!
//! ```text
//! cargo bench --bench records
//! ```

#![expect(clippy::expect_used, reason = "a benchmark that fails should fail loudly")]

use std::sync::Arc;

use bytes::Bytes;
use clickbank_gateway::config::{self, Secrets};
use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::pipeline::{Pipeline, Shared, pipeline_over};
use clickbank_gateway::stage::forward::Forward;
use clickbank_gateway::stage::shape::Shape;
use clickbank_gateway::telemetry::{Format, subscriber};
use divan::{AllocProfiler, Bencher, black_box};
use http::{Request, Response};
use http_body_util::Empty;
use tower::ServiceExt as _;
use tracing::level_filters::LevelFilter;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const KEY: &str = "cbgw_000000000000000000000000000000000001";
const LIST: &str = "/rest/1.3/products/list?site=acme";

/// A gateway with one caller, and a ClickBank that always says the same.
fn gateway() -> Pipeline<Empty<Bytes>> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
    write("clickbank", "API-0123456789ABCDEFGHIJ");
    write(
        "gateway.toml",
        "[limits]\nper_second = 100000\nper_day = 100000000\n[nicknames]\nacme = \"seller\"\n\
         [credentials.acme]\napi_key = { file = \"clickbank\" }\n[credentials.acme.reach]\nproducts = [\"acme\"]\n",
    );
    let digest = KeyDigest::of(KEY.as_bytes());
    write(
        "keys.toml",
        &format!(
            "[keys.app]\nid = \"key_1\"\nstatus = \"active\"\ndigest = \"{digest}\"\n[keys.app.grants]\nproducts = [\"acme\"]\n"
        ),
    );
    let loaded = config::load(&directory.path().join("gateway.toml"), Secrets::Read);
    let (config, _) = loaded.expect("a valid configuration");
    let answer = |_: &Request<Empty<Bytes>>| {
        let answer = Response::builder().header("content-type", "application/json");
        answer.body(Bytes::from_static(b"{\"products\":{\"product\":[]}}")).expect("an answer")
    };
    let shared = Shared::new(Arc::new(config.snapshot));
    let forward = Forward::in_process(&config.upstream, Shape::new(&shared), Box::new(answer));
    pipeline_over(&shared, &config.upstream, forward)
}

fn request(key: &str, target: &str) -> Request<Empty<Bytes>> {
    let request = Request::get(target)
        .header("host", "127.0.0.1:7310")
        .header("authorization", key)
        .header("accept", "application/json");
    request.body(Empty::new()).expect("a request")
}

fn whole(bencher: Bencher<'_, '_>, key: &str, target: &str, status: u16) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let gateway = gateway();
    let ask = |request| {
        let Ok(response) = runtime.block_on(gateway.clone().oneshot(Ok(request)));
        response
    };
    assert_eq!(ask(request(key, target)).status(), status, "{target}");
    bencher.with_inputs(|| request(key, target)).bench_local_values(|request| black_box(ask(request)));
}

#[divan::bench]
fn answered(bencher: Bencher<'_, '_>) {
    whole(bencher, KEY, LIST, 200);
}

#[divan::bench]
fn refused_by_the_matrix(bencher: Bencher<'_, '_>) {
    whole(bencher, KEY, "/rest/1.3/products/list?site=other", 403);
}

#[divan::bench]
fn refused_for_its_key(bencher: Bencher<'_, '_>) {
    whole(bencher, "nothing", LIST, 401);
}

fn main() {
    let lines = subscriber(Format::Json, LevelFilter::INFO, LevelFilter::INFO, false, std::io::sink);
    tracing::subscriber::set_global_default(lines).expect("the only subscriber");
    divan::main();
}
