//! When keys and cells of the matrix were last used is kept across changes of the files and restarts.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clickbank_gateway::domain::permission::Permission;
use clickbank_gateway::last_use::{KeyUse, LastUse};

use crate::support::scene::Scene;
use crate::support::setup::{Setup, everything_on};

fn cells(used: &KeyUse) -> Vec<(Permission, Option<&str>)> {
    used.cells.keys().map(|(permission, nickname)| (*permission, nickname.as_deref())).collect()
}

#[tokio::test]
async fn a_key_and_the_cells_that_it_was_good_for_are_noted() {
    let reach = everything_on("[\"acme\", \"zenith\"]");
    let setup = Setup::new()
        .top("state = \"state\"")
        .credential("all", &reach)
        .caller("app", &reach)
        .caller("refused", "orders_read = [\"acme\"]")
        .caller("idle", &reach);
    let began = SystemTime::now() - Duration::from_secs(1);
    let scene = Scene::start(&setup).await;
    for target in ["/rest/1.3/products/list?site=acme", "/rest/1.3/analytics/status", "/rest/1.3/nothing"] {
        scene.get("app", target).await;
    }
    assert_eq!(scene.get("refused", "/rest/1.3/products/list?site=acme").await.code(), Some("permission-missing"));
    let state = scene.written.path().join("state");
    // What a replaced snapshot knows is not lost with it.
    scene.written.edit("gateway.toml", |text| {
        text.replace("acme = \"seller\"\n", "").replace("zenith = \"seller\"", "zenith = \"seller\"\nacme = \"seller\"")
    });
    let reload = Arc::clone(scene.gateway.reload());
    assert!(tokio::task::spawn_blocking(move || reload.now()).await.unwrap().applied);
    scene.get("app", "/rest/1.3/orders2/list?vendor=zenith&role=VENDOR").await;
    let scene = scene.restart().await;
    let kept = LastUse::load(&state).unwrap().unwrap();
    let app = kept.of("key_app");
    assert_eq!(
        cells(&app),
        [(Permission::Analytics, None), (Permission::Products, Some("acme")), (Permission::OrdersRead, Some("zenith"))]
    );
    assert!(app.cells.values().chain(&app.last).all(|time| *time > began));
    assert_eq!(kept.of("key_idle"), KeyUse::default());
    let refused = kept.of("key_refused");
    assert!(refused.last.is_some() && refused.cells.is_empty());

    // A restart begins with what is kept.
    scene.get("idle", "/rest/1.3/analytics/status").await;
    let Scene { gateway, written, .. } = scene;
    assert!(gateway.drain(Duration::from_mins(1)).await);
    let kept = LastUse::load(&state).unwrap().unwrap();
    assert_eq!(kept.of("key_app"), app);
    assert!(kept.of("key_idle").last.is_some());
    drop(written);
}
