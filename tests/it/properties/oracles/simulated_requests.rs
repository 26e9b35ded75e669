//! The simulator's readers are lenient: there is nothing that they cannot read.

use std::cell::RefCell;

use clickbank_gateway::simulator::{Request, SimulatorConfig, World};
use http::Method;

/// Products that a request may have added before the world begins anew.
const MANY: usize = 200;

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(fresh());
}

fn fresh() -> World {
    let config = SimulatorConfig::default();
    World::new(config.settings, config.spec)
}

/// A line with method and target, and lines with header fields; `KEY` stands for a key that may do everything.
pub(crate) fn check(bytes: &[u8]) {
    WORLD.with_borrow_mut(|world| {
        if world.records().products.len() > MANY {
            *world = fresh();
        }
        let key = world.key("all").expect("a key of the demo").secret().expose().to_owned();
        let text = String::from_utf8_lossy(bytes).replace("KEY", &key);
        let mut lines = text.split('\n');
        let first = lines.next().unwrap_or_default();
        let (method, target) = first.split_once(' ').unwrap_or(("GET", first));
        let Ok(method) = Method::from_bytes(method.as_bytes()) else { return };
        let fields = lines.filter_map(|line| line.split_once(':'));
        let request = fields.fold(Request::new(method.clone(), target), |request, (name, value)| {
            request.with_header(name, value.trim())
        });
        let answer = world.answer(&request);
        assert!(answer.body.is_empty() || (answer.content_type.is_some() && method != Method::HEAD), "{text:?}");
        // Whatever was asked, and whatever it is repeated in, JSON is JSON.
        if answer.content_type == Some("application/json") && !answer.body.is_empty() {
            let read: Result<serde_json::Value, _> = serde_json::from_slice(&answer.body);
            assert!(read.is_ok(), "{text:?}: {}", answer.text());
        }
    });
}
