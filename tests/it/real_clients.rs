//! Programs that talk to ClickBank today work with nothing changed but base URL and key.

use std::process::Command;

use crate::support::scene::Scene;
use crate::support::setup::Setup;

const LIST: &str = "/rest/1.3/orders2/list?startDate=2026-10-01&endDate=2026-11-20";
const PUT: &str =
    "/rest/1.3/products/new-1?site=acme&currency=USD&price=37.00&language=EN&title=Guide&digital=true&categories=EBOOK";

/// Two callers: the second has two nicknames, so that a base URL with one of them matters.
async fn scene() -> Scene {
    let setup = Setup::acme().credential("zenith", "orders_read = [\"zenith\"]");
    Scene::start(&setup.caller("two", "orders_read = [\"acme\", \"zenith\"]")).await
}

/// Runs a client and returns what it printed. The gateway works meanwhile, so this waits on a thread of its own.
async fn run(program: &str, arguments: Vec<String>) -> String {
    let named = program.to_owned();
    let running = tokio::task::spawn_blocking(move || {
        // A proxy of the machine has no part in this.
        Command::new(named).args(arguments).env("no_proxy", "*").env("NO_PROXY", "*").output()
    });
    let output = crate::support::within(program, running).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("this test needs {program} to be installed: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {} {said} {}", output.status, String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

fn strings<const N: usize>(arguments: [&str; N]) -> Vec<String> {
    arguments.map(str::to_owned).to_vec()
}

/// What ClickBank itself would answer to acme's own key.
fn direct(scene: &Scene, target: &str, accept: &str) -> (u16, String) {
    let request = clickbank_gateway::simulator::Request::get(target)
        .with_header("authorization", scene.credential("acme"))
        .with_header("accept", accept);
    let answer = scene.world().answer(&request);
    (answer.status.as_u16(), answer.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn curl() {
    let scene = scene().await;
    let base = format!("http://{}", scene.address());
    let authorization = format!("Authorization: {}", scene.key("app"));
    let curl = |more: Vec<String>| {
        let common = strings(["-sS", "--max-time", "30", "-w", "\n%{http_code}", "-H", &authorization]);
        run("curl", [common, more].concat())
    };
    for accept in ["application/json", "application/xml"] {
        let said = curl(strings(["-H", &format!("Accept: {accept}"), &format!("{base}{LIST}")])).await;
        let (status, text) = direct(&scene, LIST, accept);
        assert_eq!(said, format!("{text}\n{status}"));
    }
    let said = curl(strings(["-I", &format!("{base}/rest/1.3/orders2/AAAAAAAA")])).await;
    assert!(said.ends_with("\n403"), "{said}");
    // Curl says so with every call that has data, even empty one.
    let said = curl(strings(["-X", "PUT", "-d", "", &format!("{base}{PUT}")])).await;
    assert_eq!(said, "new-1\n200");
    let said =
        curl(strings(["-X", "PUT", "-H", "Transfer-Encoding: chunked", "-d", "", &format!("{base}{PUT}")])).await;
    assert_eq!(said, "new-1\n200");
    let said = curl(strings(["-X", "DELETE", &format!("{base}/rest/1.3/products/new-1?site=acme")])).await;
    assert_eq!(said, "\n204");
    // Data in the body would be lost on ClickBank, so the caller is told.
    let said = curl(strings(["-X", "PUT", "-d", "title=x", &format!("{base}{PUT}")])).await;
    assert!(said.contains("body-not-allowed") && said.ends_with("\n400"), "{said}");
    // Two transfers on one connection, and the nickname in the base URL.
    let two = format!("Authorization: {}", scene.key("two"));
    let urls = ["zenith", "acme"].map(|name| format!("{base}/@{name}/rest/1.3/tickets/count"));
    let said =
        run("curl", strings(["-sS", "-H", &two, "-w", " %{http_code} %{num_connects}\n", &urls[0], &urls[1]])).await;
    let ends: Vec<_> = said.lines().filter_map(|line| line.split_once(' ').map(|(_, end)| end)).collect();
    assert_eq!(ends, ["200 1", "200 0"], "{said}");
}

const PYTHON: &str = r#"
import http.client, json, sys, urllib.error, urllib.request
base, key, target, put = sys.argv[1:]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
def call(method, target, data=None, **headers):
    request = urllib.request.Request(base + target, data=data, method=method)
    request.add_header("Authorization", key)
    for name, value in headers.items():
        request.add_header(name, value)
    try:
        with opener.open(request, timeout=30) as answer:
            return [answer.status, answer.read().decode()]
    except urllib.error.HTTPError as error:
        return [error.code, error.headers["Gateway-Error"]]
said = [
    call("GET", target, Accept="application/json"),
    call("PUT", put, data=b""),
    call("PUT", put),
    call("PUT", put, data=b"title=x"),
    call("GET", "/rest/1.3/products/list?site=zenith"),
]
host = base.removeprefix("http://")
connection = http.client.HTTPConnection(host, timeout=30)
for _ in range(3):
    connection.request("GET", "/rest/1.3/orders2/count", headers={"Authorization": "Bearer " + key})
    answer = connection.getresponse()
    said.append([answer.status, answer.read().decode()])
connection.request("PUT", put, body=iter([b""]), headers={"Authorization": key}, encode_chunked=True)
answer = connection.getresponse()
said.append([answer.status, answer.read().decode()])
print(json.dumps(said))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn python() {
    let scene = scene().await;
    let base = format!("http://{}", scene.address());
    let said = run("python3", strings(["-c", PYTHON, &base, scene.key("app"), LIST, PUT])).await;
    let said: Vec<(u16, String)> = serde_json::from_str(&said).unwrap();
    let count = direct(&scene, "/rest/1.3/orders2/count", "text/plain");
    let put = (200, "new-1".to_owned());
    let refused = |status, code: &str| (status, code.to_owned());
    assert_eq!(said[0], direct(&scene, LIST, "application/json"));
    let rest = [
        put.clone(),
        put.clone(),
        refused(400, "body-not-allowed"),
        refused(403, "nickname-not-granted"),
        count.clone(),
        count.clone(),
        count,
        put,
    ];
    assert_eq!(said[1..], rest);
}

const NODE: &str = r#"
const http = require("http");
const [base, key, target, put] = process.argv.slice(1);
const plain = (method, target, headers) => new Promise((done, fail) => {
  const request = http.request(base + target, { method, headers: { Authorization: key, ...headers } }, (answer) => {
    let text = "";
    answer.on("data", (piece) => (text += piece));
    answer.on("end", () => done([answer.statusCode, answer.headers["gateway-error"] ?? text]));
  });
  request.on("error", fail);
  request.end();
});
const modern = async (method, target, more) => {
  const answer = await fetch(base + target, { method, headers: { Authorization: key }, ...more });
  const text = await answer.text();
  return [answer.status, answer.headers.get("gateway-error") ?? text];
};
(async () => {
  const said = [];
  said.push(await plain("GET", target, { Accept: "application/json" }));
  said.push(await plain("PUT", put, {}));
  said.push(await plain("PUT", put, { "Transfer-Encoding": "chunked" }));
  said.push(await plain("DELETE", "/rest/1.3/products/new-1?site=acme", {}));
  said.push(await modern("GET", "/rest/1.3/orders2/count", {}));
  said.push(await modern("PUT", put, {}));
  said.push(await modern("PUT", put, { body: "title=x" }));
  said.push(await modern("GET", "/rest/1.3/products/list?site=zenith", {}));
  console.log(JSON.stringify(said));
})();
"#;

#[tokio::test(flavor = "multi_thread")]
async fn node() {
    let scene = scene().await;
    let base = format!("http://{}", scene.address());
    let said = run("node", strings(["-e", NODE, &base, scene.key("app"), LIST, PUT])).await;
    let said: Vec<(u16, String)> = serde_json::from_str(&said).unwrap();
    let answer = |status, text: &str| (status, text.to_owned());
    assert_eq!(said[0], direct(&scene, LIST, "application/json"));
    let count = direct(&scene, "/rest/1.3/orders2/count", "text/plain");
    let rest = [
        answer(200, "new-1"),
        answer(200, "new-1"),
        answer(204, ""),
        count,
        answer(200, "new-1"),
        answer(400, "body-not-allowed"),
        answer(403, "nickname-not-granted"),
    ];
    assert_eq!(said[1..], rest);
}

/// PHP sends this with `CURLOPT_POST` (here: `CURLOPT_CUSTOMREQUEST`) and no fields: it announces chunks, and sends the
/// last one, which is the only one, once it has been told to go on.
#[tokio::test]
async fn php() {
    let scene = scene().await;
    let mut connection = scene.connect().await;
    let key = scene.key("app");
    connection
        .send(format!(
            "PUT {PUT} HTTP/1.1\r\nHost: {}\r\nAuthorization: {key}\r\nAccept: */*\r\nTransfer-Encoding: chunked\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n\r\n",
            scene.address()
        ))
        .await;
    let interim = connection.answer().await;
    assert_eq!((interim.status, interim.headers.len()), (100, 0));
    assert!(scene.received().is_empty(), "sent before the body had ended");
    connection.send("0\r\n\r\n").await;
    let answer = connection.answer().await;
    assert_eq!((answer.outcome(), answer.text().as_str()), ((200, None), "new-1"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(scene.received().len(), 1);
    assert_eq!(scene.received()[0].header("transfer-encoding"), None);

    // A caller that may not is told so at once, without being asked for its body.
    let mut connection = scene.connect().await;
    connection
        .send(format!(
            "PUT {} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
            PUT.replace("acme", "zenith")
        ))
        .await;
    assert_eq!(connection.answer().await.outcome(), (403, Some("nickname-not-granted")));
    connection.expect_close("a refused request whose body was not read").await;
    assert_eq!(scene.received().len(), 1);
}
