//! What `docs/refunds.md` has callers do works as it is written there.

use std::fs;
use std::path::Path;
use std::process::Command;

use clickbank_gateway::simulator::{Fault, FaultRule};
use http::Method;

use crate::support::scene::Scene;
use crate::support::setup::Setup;
use crate::support::within;

/// The first block of code in this language.
fn block(language: &str) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/refunds.md")).unwrap();
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split("\n```").next().unwrap().to_owned()
}

async fn scene() -> (Scene, String) {
    let setup =
        Setup::acme().top("state = \"state\"").upstream("connect_timeout = \"1s\"\nresponse_timeout = \"500ms\"");
    let scene = Scene::start(&setup).await;
    let receipt = {
        let world = scene.world();
        let records = world.records();
        let is_acmes = |receipt: &str| records.orders_of(receipt).all(|order| order.seller.to_string() == "acme");
        let mut receipts = records.orders.iter().map(|order| order.receipt.as_str());
        receipts.find(|receipt| is_acmes(receipt)).unwrap().to_owned()
    };
    (scene, receipt)
}

/// Runs a program as the page has it, with the two variables that it names.
async fn run(scene: &Scene, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).env("no_proxy", "*").env("CLICKBANK_KEY", scene.key("app"));
    command.env("CLICKBANK_URL", format!("http://{}", scene.address()));
    let output = within(program, tokio::task::spawn_blocking(move || command.output())).await.unwrap().unwrap();
    let (said, failed) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program}: {said}{failed}");
    said
}

fn executed(scene: &Scene) -> usize {
    scene.world().executed().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_curl_a_refund_is_made_once() {
    let (scene, receipt) = scene().await;
    let line = block("sh").replace("ABCD1234", &receipt).replacen("curl ", "curl -sS --max-time 30 -i ", 1);
    let first = run(&scene, "sh", &["-c", &line]).await;
    assert!(first.starts_with("HTTP/1.1 200 ") && !first.to_lowercase().contains("gateway-replayed"), "{first}");
    let again = run(&scene, "sh", &["-c", &line]).await;
    assert!(again.starts_with("HTTP/1.1 200 ") && again.to_lowercase().contains("gateway-replayed: true"), "{again}");
    assert_eq!(executed(&scene), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_python_every_outcome_comes_to_its_end() {
    let (scene, receipt) = scene().await;
    let path = format!("/rest/1.3/tickets/{receipt}?type=tech&reason=ticket.type.tech_support.1");
    let call = |path: &str, case: &str| format!("{}\nprint(change({path:?}, {case:?})[0])\n", block("python"));
    let on_posts = |fault| FaultRule::new(fault).method(Method::POST).once();
    for (case, fault, changes) in [
        ("healthy", None, 1),
        ("healthy", None, 1),
        ("executed, and no answer", Some(Fault::Reset { executed: true }), 2),
        ("not executed, and no answer", Some(Fault::Reset { executed: false }), 3),
        ("executed, and half an answer", Some(Fault::Truncate(10)), 4),
    ] {
        if let Some(fault) = fault {
            scene.simulator.add_fault(on_posts(fault)).unwrap();
        }
        let key = case.replace([' ', ','], "-");
        assert_eq!(run(&scene, "python3", &["-c", &call(&path, &key)]).await, "True\n", "{case}");
        assert_eq!(executed(&scene), changes, "{case}");
        scene.simulator.clear_faults();
    }
    let foreign = "/rest/1.3/tickets/AAAAAAAA?type=tech&reason=ticket.type.tech_support.1";
    assert_eq!(run(&scene, "python3", &["-c", &call(foreign, "foreign")]).await, "False\n");
    assert_eq!(executed(&scene), 4);
}
