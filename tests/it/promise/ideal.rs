//! What the ideal key would get: the one that ClickBank would issue to the caller itself. Worked out from the design's
//! words, with nothing of the gateway's.

use clickbank_gateway::simulator::world::AccountKind;
use clickbank_gateway::simulator::{Request, World};
use http::Method;

use crate::support::in_process::{Answered, Seen};

use super::request::{Ask, encoded};
use super::scene::{Names, Scene, Shrink, Table};

/// Which kind of credential acted for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acting {
    /// None: an open document.
    Nobody,
    /// ClickBank itself confines it to what the caller may see.
    Confined,
    /// It reaches more than that.
    Wide,
}

/// The nicknames that a call may be about: those granted for all that it needs, or the one of them that it names.
pub(super) fn allowed(scene: &Scene, grants: &Table, ask: &Ask) -> Names {
    let mut allowed = scene.scope(grants, &ask.fact.permission_all);
    if let Some(named) = ask.named() {
        let named = scene.find(named);
        allowed.retain(|name| Some(*name) == named);
    }
    allowed
}

/// The credential that the last of these requests carried, which is the call itself, and what kind it is.
///
/// # Errors
/// When it is none of the configuration's.
pub(super) fn acting<'a>(
    scene: &'a Scene,
    world: &World,
    grants: &Table,
    ask: &Ask,
    seen: &[Seen],
) -> Result<(Acting, Option<&'a Table>), String> {
    let Some(secret) = seen.last().and_then(|request| request.header("authorization")) else {
        return Ok((Acting::Nobody, None));
    };
    let of = |name: &str| world.key(name).is_some_and(|key| key.secret().expose() == secret);
    let credential = scene.credentials.iter().find(|(name, _)| of(name));
    let (_, reach) = credential.ok_or("a request came to ClickBank with something that is no credential")?;
    let reached = scene.scope(reach, &ask.fact.permission_all);
    let confined = !reached.is_empty() && reached.is_subset(&allowed(scene, grants, ask));
    Ok((if confined { Acting::Confined } else { Acting::Wide }, Some(reach)))
}

/// What the ideal keys that the design has in mind would answer to the canonical requests: each of these is right.
pub(super) fn answers(
    scene: &Scene,
    (caller, grants): (&str, &Table),
    ask: &Ask,
    (acting, reach): (Acting, Option<&Table>),
    world: &mut World,
) -> Vec<Answered> {
    let mut answers = Vec::new();
    for request in canonical(scene, grants, ask, acting) {
        for shrink in shrinks(scene, grants, ask, reach) {
            answers.push(answer(world, caller, shrink, &request));
        }
    }
    answers
}

/// What would become of a world if these ideal keys had asked: each of these is right.
pub(super) fn worlds(
    scene: &Scene,
    (caller, grants): (&str, &Table),
    ask: &Ask,
    (acting, reach): (Acting, Option<&Table>),
    world: &World,
) -> Vec<World> {
    let mut worlds = Vec::new();
    for request in canonical(scene, grants, ask, acting) {
        for shrink in shrinks(scene, grants, ask, reach) {
            let mut world = world.clone();
            answer(&mut world, caller, shrink, &request);
            worlds.push(world);
        }
    }
    worlds
}

/// The answer that one ideal key gets.
pub(super) fn answer(world: &mut World, caller: &str, shrink: Shrink, request: &Request) -> Answered {
    let secret = world.key(&shrink.key_of(caller)).unwrap().secret().expose().to_owned();
    Answered::from(world.answer(&request.clone().with_header("authorization", &secret)))
}

/// The request as such, in ClickBank's own words.
pub(super) fn plain(ask: &Ask) -> Request {
    with_query(ask, &ask.query)
}

fn with_query(ask: &Ask, query: &[(String, String)]) -> Request {
    let method = Method::from_bytes(ask.fact.method.as_bytes()).unwrap();
    let mut request = Request::new(method, &format!("{}{}", ask.path, encoded(query)));
    // ClickBank knows XML by one name only.
    let accept = ask.accept.map(|accept| if accept == "text/xml" { "application/xml" } else { accept });
    for (name, value) in [("Accept", accept), ("Page", ask.page)] {
        if let Some(value) = value {
            request = request.with_header(name, value);
        }
    }
    request
}

/// The request plus what the gateway has to add behind a wide credential. None where it has to refuse.
fn canonical(scene: &Scene, grants: &Table, ask: &Ask, acting: Acting) -> Vec<Request> {
    if acting != Acting::Wide {
        return vec![plain(ask)];
    }
    let with = |added: &[(&str, &str)]| {
        let mut query = ask.query.clone();
        query.retain(|(name, _)| !added.iter().any(|(other, _)| other == name));
        query.extend(added.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        with_query(ask, &query)
    };
    let allowed: Names = allowed(scene, grants, ask).into_iter().filter(|name| scene.find(name).is_some()).collect();
    let unless_other =
        |parameter: &str, name: &str| ask.parameter(parameter).is_none_or(|value| value.eq_ignore_ascii_case(name));
    if ask.has_order_filters() {
        // Orders as an affiliate need a confined credential, and one who does both has to say which.
        let as_seller = |name: &&str| match ask.parameter("role") {
            Some(role) => role == "VENDOR",
            None => scene.kind(name) == Some(AccountKind::Seller),
        };
        let said =
            |name: &&str| allowed.len() == 1 || ask.parameter("vendor").is_some() && unless_other("vendor", name);
        let about = allowed.iter().filter(|name| as_seller(name) && unless_other("vendor", name) && said(name));
        return about.map(|name| with(&[("vendor", name), ("role", "VENDOR")])).collect();
    }
    if ask.fact.id == "quickstats.list" || ask.fact.id == "quickstats.count" {
        let said = |name: &&&str| {
            allowed.len() == 1 || ask.parameter("account").is_some_and(|_| unless_other("account", name))
        };
        let about = allowed.iter().filter(|name| unless_other("account", name)).filter(said);
        return about.map(|name| with(&[("account", name)])).collect();
    }
    vec![plain(ask)]
}

/// The reaches that the ideal key may have: that of all grants, or of the nicknames that the call is about where the
/// choice of credential shrinks it to them.
fn shrinks(scene: &Scene, grants: &Table, ask: &Ask, reach: Option<&Table>) -> Vec<Shrink> {
    if ask.fact.permission_all.is_empty() {
        return vec![Shrink::Whole];
    }
    if let Some(named) = ask.named() {
        return scene.find(named).map(Shrink::To).into_iter().collect();
    }
    let mut shrinks = vec![Shrink::Whole];
    let own = if ask.has_order_filters() {
        match ask.parameter("role") {
            Some("VENDOR") => ask.parameter("vendor"),
            Some("AFFILIATE") => ask.parameter("affiliate"),
            _ => None,
        }
    } else {
        ask.fact.nickname_params.iter().find_map(|name| ask.parameter(name))
    };
    shrinks.extend(own.and_then(|own| scene.find(own)).map(Shrink::To));
    let is_all = |table: &Table| scene.scope(table, &ask.fact.permission_all).contains("*");
    if is_all(grants) && reach.is_some_and(|reach| !is_all(reach)) {
        shrinks.push(Shrink::Declared);
    }
    shrinks
}

/// The rows of an order, without those that show somebody's share in another's sale; `None` where there is none of these.
///
/// Behind a wide credential ClickBank may show a sale once, as the seller's (`SharedSale::SellerRow`): the row of a
/// joint venture partner is not there to be passed on, and nothing tells that it is missing.
pub(super) fn without_joint_ventures(body: &[u8]) -> Option<Vec<String>> {
    let rows = rows(body);
    let is_share = |row: &String| !["VENDOR", "AFFILIATE"].iter().any(|role| row.contains(&role_in(row, role)));
    if !rows.iter().any(is_share) {
        return None;
    }
    Some(rows.into_iter().filter(|row| !is_share(row)).collect())
}

/// How a row of the simulator's says its role.
fn role_in(row: &str, role: &str) -> String {
    if row.starts_with('<') { format!("<role>{role}</role>") } else { format!("\"role\":\"{role}\"") }
}

/// The rows of an answer about one order, each as text.
pub(super) fn rows(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    if text.trim_start().starts_with('<') {
        let rows = text.split("<orderData>").skip(1).filter_map(|row| row.split("</orderData>").next());
        return rows.map(|row| format!("<orderData>{row}")).collect();
    }
    let parsed: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    match &parsed["orderData"] {
        serde_json::Value::Array(rows) => rows.iter().map(ToString::to_string).collect(),
        row => vec![row.to_string()],
    }
}
