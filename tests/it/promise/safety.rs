//! What holds whatever ClickBank answers: nothing foreign shows, nothing foreign is changed, and ClickBank hears nothing
//! that the gateway did not write itself.

use clickbank_gateway::simulator::World;
use clickbank_gateway::simulator::world::{Order, base_of};

use crate::support::in_process::{Reply, Seen};

use super::check::Case;
use super::hostile::Form;
use super::ideal;
use super::request::Ask;
use super::scene::{Names, Scene, Table, key_of};

/// The headers of requests to ClickBank.
const HEADERS: [&str; 7] =
    ["accept", "accept-encoding", "authorization", "content-length", "host", "page", "user-agent"];

/// What callers send that is none of ClickBank's business.
pub(super) const SENT_BY_CALLER: &str = "sent=bycaller";

/// Judges an answer, and what came to ClickBank for it. `done` is how many changes there were before, `forms` what was done
/// to ClickBank's answers, and `told` what the caller has put into its own records by changes before.
pub(super) fn judge(
    case: &Case<'_>,
    ask: &Ask,
    reply: &Reply,
    seen: &[Seen],
    world: &World,
    (done, forms, told): (usize, &[Form], &str),
) -> Result<(), String> {
    let (scene, (caller, grants)) = (case.scene, case.caller());
    for request in seen {
        judge_sent(scene, caller, ask, request, world)?;
    }
    let allowed = ideal::allowed(scene, grants, ask);
    for executed in &world.executed()[done..] {
        if !allowed.contains(executed.seller.as_str()) {
            return Err(format!("changed what is not the caller's: {executed:?}"));
        }
    }
    let (acting, reach) = ideal::acting(scene, world, grants, ask, seen)?;
    if let Some(reach) = reach.filter(|_| acting == ideal::Acting::Wide) {
        for request in seen.iter().filter(|request| !matches!(request.method.as_str(), "GET" | "HEAD")) {
            judge_wide_change(scene, (reach, &allowed), ask, request, world)?;
        }
    }
    let is_all = reach.is_some_and(|reach| scene.scope(reach, &ask.fact.permission_all).contains("*"));
    if !forms.iter().all(|form| form.is_claimed(ask.fact, acting, is_all)) {
        return Ok(());
    }
    // The gateway's own words may name what the caller is granted, and nothing that anybody keeps at ClickBank.
    let (seers, spoken) =
        if reply.refusal().is_some() { (Names::new(), scene.anywhere(grants)) } else { (allowed.clone(), allowed) };
    let head: Vec<String> = reply.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    for text in [head.join("\n").as_bytes(), &reply.body, decoded(&reply.body).as_bytes()] {
        if let Some(leak) = case.planted.leak(text, &seers, &spoken, &format!("{} {told}", ask.sent())) {
            return Err(format!("shows {leak} behind a {acting:?} credential, after {forms:?}"));
        }
        let text = String::from_utf8_lossy(text);
        if shows_key(&text) {
            return Err("shows a key".to_owned());
        }
    }
    Ok(())
}

/// Whether something has a key's form. The receipt of a rebill can be `ABCDEAPI-B001`, which is too short for one.
fn shows_key(text: &str) -> bool {
    let of_clickbank = |rest: &str| rest.bytes().take(8).filter(u8::is_ascii_alphanumeric).count() == 8;
    text.contains("cbgw_") || text.split("API-").skip(1).any(of_clickbank)
}

/// Every request to ClickBank carries a credential, unless it is for an open document, and nothing of the caller's bytes.
fn judge_sent(scene: &Scene, caller: &str, ask: &Ask, request: &Seen, world: &World) -> Result<(), String> {
    let is_document = ask.fact.permission_all.is_empty();
    let secret = request.header("authorization");
    let mut credentials = scene.credentials.iter().filter_map(|(name, _)| world.key(name));
    let is_known = credentials.any(|key| secret == Some(key.secret().expose()));
    if is_known == is_document || (is_document && secret.is_some()) {
        return Err(format!("{request:?} came to ClickBank with another credential than it should"));
    }
    let text = format!("{request:?}");
    let is_foreign = request.headers.iter().any(|(name, _)| !HEADERS.contains(&name.as_str()));
    if is_foreign || text.contains(&key_of(caller)) || text.contains(SENT_BY_CALLER) {
        return Err(format!("{text} came to ClickBank with something of the caller's"));
    }
    Ok(())
}

/// A change goes through a credential that reaches more than the caller may change only if all that it could change with
/// that credential is the caller's.
fn judge_wide_change(
    scene: &Scene,
    (reach, allowed): (&Table, &Names),
    ask: &Ask,
    request: &Seen,
    world: &World,
) -> Result<(), String> {
    if ask.fact.owner_source == "request" {
        // It names its owner, and what was changed of anybody else's shows in what was executed.
        return Ok(());
    }
    let reached = scene.scope(reach, &ask.fact.permission_all);
    let path = request.target.split('?').next().unwrap_or_default();
    let is_named = |word: &str| path.split('/').any(|segment| segment == word);
    let records = world.records();
    let ticket = records.tickets.iter().find(|ticket| is_named(&ticket.id.to_string()));
    let is_about = |order: &&Order| match ticket {
        Some(ticket) => order.receipt == ticket.receipt || order.receipt == base_of(&ticket.receipt),
        None => is_named(&order.receipt),
    };
    let sellers = records.orders.iter().filter(is_about).map(|order| order.seller.as_str());
    let reached: Vec<&str> = sellers.filter(|seller| reached.contains(seller)).collect();
    if reached.is_empty() || reached.iter().any(|seller| !allowed.contains(seller)) {
        return Err(format!("{request:?} could have changed what is of {reached:?}"));
    }
    Ok(())
}

/// A body as its reader understands it: escapes in JSON and character references in XML can hide what it says.
fn decoded(body: &[u8]) -> String {
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) {
        return value.to_string();
    }
    let text = String::from_utf8_lossy(body);
    let mut parts = text.split("&#");
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once(';').unwrap_or(("", part));
        let code =
            number.strip_prefix('x').map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
        decoded.extend(code.and_then(char::from_u32));
        decoded.push_str(rest);
    }
    decoded
}
