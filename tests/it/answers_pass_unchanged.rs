//! Behind a credential that is confined to what the caller may see, every answer of every endpoint comes back as ClickBank
//! gave it: status, media type and body, in JSON and in XML, on every page, with rows and without.
//!
//! The calls are those of the facts, so that an endpoint that is added to them is tried here, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use clickbank_gateway::domain::secret::KeyDigest;
use clickbank_gateway::simulator::world::Records;
use clickbank_gateway::simulator::{EmptyList, Request, Settings, SharedSale, World, WorldSpec};
use http::Method;
use jiff::civil::date;

use crate::facts::{FACTS, Fact, Place};
use crate::support::in_process::{Answered, Configured, Running, runtime};
use crate::support::setup::everything_on;

/// Callers, what each holds, and the simulator's key of the same name that reaches just that.
const CALLERS: [(&str, &str); 3] =
    [("all", "\"all\""), ("orbit", "[\"orbit\"]"), ("acme-both", "[\"acme\", \"acmeaff\"]")];

const NICKNAMES: &str = "acme = \"seller\"\nzenith = \"seller\"\nacmeaff = \"affiliate\"\norbit = \"both\"\n";

/// What was seen of an endpoint's answers.
#[derive(Debug, Default)]
struct Seen {
    /// Media types of answers with a body and a status in the 200s.
    types: BTreeSet<&'static str>,
    statuses: BTreeSet<u16>,
    empty: bool,
}

#[test]
fn every_answer_to_a_confined_credential_passes_as_it_is() {
    // Other tests search what is said in their time, and this is much.
    let _silence = tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::default());
    let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
    for (empty_list, shared_sale, callers) in [
        (EmptyList::Null, SharedSale::SellerRow, &CALLERS[..2]),
        (EmptyList::EmptyBody, SharedSale::BothRows, &CALLERS[2..]),
    ] {
        let today = date(2026, 11, 20);
        let page_size = 2.try_into().unwrap();
        let settings = Settings { page_size, empty_list, shared_sale, ..Settings::new(1, today) };
        let world = World::new(settings, WorldSpec::demo(1, today));
        try_all(&world, callers, &mut seen);
    }
    for fact in called() {
        let seen = seen.get(fact.id.as_str()).unwrap_or_else(|| panic!("{} was never called", fact.id));
        let is_read = !fact.mutates && fact.method == "GET";
        for produced in fact.produces.iter().filter(|produced| is_read && *produced != "text/csv") {
            assert!(seen.types.contains(produced.as_str()), "{} never answered in {produced}: {seen:?}", fact.id);
        }
        if fact.pagination != "none" && fact.id != "quickstats.list" {
            assert!(seen.statuses.contains(&206), "{} had one page: {seen:?}", fact.id);
        }
        let is_list = fact.id.ends_with("list") && !fact.id.starts_with("quickstats");
        assert!(!is_list || seen.empty, "{} always had rows", fact.id);
        let needs_key = fact.owner_source != "not_applicable" && fact.owner_source != "global";
        let always_passes = ["quickstats.accounts", "tickets.list", "tickets.count"].contains(&fact.id.as_str());
        let may_fail = needs_key && (fact.path.contains("{receipt}") || fact.path.contains("{id}")) && !always_passes;
        assert!(!may_fail || seen.statuses.contains(&403), "{} was never refused by ClickBank: {seen:?}", fact.id);
    }
}

/// The endpoints that can be called: all but the one that repeats the credential, and changes of receipts and tickets.
fn called() -> impl Iterator<Item = &'static Fact> {
    let is_called =
        |fact: &&Fact| fact.owner_source != "credential_echo" && (!fact.mutates || fact.owner_source == "request");
    FACTS.iter().filter(is_called)
}

fn try_all(world: &World, callers: &[(&str, &str)], seen: &mut BTreeMap<&'static str, Seen>) {
    let runtime = runtime();
    let (gateway, keys) = files();
    let configured = Configured::load(&gateway, &keys, CALLERS.iter().map(|(name, _)| *name), world);
    for (caller, _) in callers {
        let running = Running::start(&configured, world.clone(), None);
        let authorization = world.key(caller).unwrap().secret().expose();
        for fact in called() {
            let (targets, asked) = (targets(fact, world.records(), caller), asked(fact));
            for (place, target) in targets.iter().enumerate() {
                // Few targets are asked for in every type and page, many in turns.
                let turns = if targets.len() < 8 { asked.len() } else { 2 };
                for (accept, page) in (0..turns).map(|turn| asked[(place + turn) % asked.len()]) {
                    let accept = accept.map(|accept| ("accept", accept.to_owned()));
                    let page = page.map(|page| ("page", page.to_owned()));
                    let headers: Vec<(&str, String)> = accept.into_iter().chain(page).collect();
                    let answer = |world: &mut World| {
                        let method = Method::from_bytes(fact.method.as_bytes()).unwrap();
                        let request = Request::new(method, target).with_header("authorization", authorization);
                        let request =
                            headers.iter().fold(request, |request, (name, value)| request.with_header(name, value));
                        Answered::from(world.answer(&request))
                    };
                    // A change is made in a world of its own, so that both begin with the same.
                    let expected = if fact.mutates {
                        answer(&mut running.with_world(|world| world.clone()))
                    } else {
                        running.with_world(answer)
                    };
                    let key = ("authorization", key_of(caller));
                    let headers: Vec<(&str, String)> = headers.iter().cloned().chain([key]).collect();
                    let (reply, _) = running.call(&runtime, (&fact.method, target), &headers);
                    let what = format!("{caller}: {} {target} {headers:?}", fact.method);
                    assert_eq!(reply.refusal(), None, "{what}\n{}", reply.shown());
                    assert!(reply.is(&expected), "{what}\n{}\n{expected:?}", reply.shown());
                    note(seen.entry(&fact.id).or_default(), &expected);
                }
            }
        }
    }
}

fn note(seen: &mut Seen, answer: &Answered) {
    seen.statuses.insert(answer.status);
    let text = String::from_utf8_lossy(&answer.body);
    let has_rows = !(text.is_empty() || text == "null" || text.ends_with("\"/>"));
    if answer.status < 300 {
        // Products and images have a total beside their rows.
        seen.empty |= !has_rows || text.contains("\"total_record_count\":\"0\"");
        seen.types.extend(answer.content_type.filter(|_| !text.is_empty()));
    }
}

/// The types and pages to ask for.
fn asked(fact: &Fact) -> Vec<(Option<&'static str>, Option<&'static str>)> {
    let types = [Some("application/json"), Some("application/xml"), Some("text/plain"), None];
    let is_produced =
        |accept: Option<&str>| accept.is_none_or(|accept| fact.produces.iter().any(|other| other == accept));
    let types = types.into_iter().filter(|accept| is_produced(*accept));
    let pages: &[Option<&str>] = if fact.pagination == "none" { &[None] } else { &[None, Some("2"), Some("99")] };
    types.flat_map(|accept| pages.iter().map(move |page| (accept, *page))).collect()
}

/// Every path with every set of parameters.
fn targets(fact: &Fact, records: &Records, caller: &str) -> Vec<String> {
    let mut paths = vec![fact.path.clone()];
    for param in fact.params_in(Place::Path) {
        let values = match param.name.as_str() {
            "receipt" => receipts(records),
            "id" => {
                records.tickets.iter().step_by(7).map(|ticket| ticket.id.to_string()).chain(["4711".into()]).collect()
            }
            "sku" => ["guide-1", "book-1", "club-1", "none-1"].map(str::to_owned).to_vec(),
            _ => param.values.clone(),
        };
        let variable = format!("{{{}}}", param.name);
        paths = paths.iter().flat_map(|path| values.iter().map(|value| path.replace(&variable, value))).collect();
    }
    let queries = queries(fact, records, caller);
    paths.iter().flat_map(|path| queries.iter().map(move |query| format!("{path}{query}"))).collect()
}

/// Of each kind of order of each seller one, some of tickets and ship notices, and none's.
fn receipts(records: &Records) -> Vec<String> {
    let orders = records.orders.iter().step_by(17).map(|order| order.receipt.clone());
    let upsells = records.orders.iter().filter_map(|order| order.upsell_of.clone()).step_by(9);
    let notices = records.ship_notices.iter().map(|notice| notice.receipt.clone()).step_by(5);
    let rebills = records.orders.iter().map(|order| order.receipt.clone()).filter(|receipt| receipt.len() > 8);
    orders.chain(upsells).chain(notices).chain(rebills.step_by(9)).chain(["NONE0000".into()]).collect()
}

/// The parameters that have to be there, alone and with others.
fn queries(fact: &Fact, records: &Records, caller: &str) -> Vec<String> {
    let mut sets: Vec<String> = vec![String::new()];
    let mut add = |name: &str, values: &[&str]| {
        let with = |set: &String| values.iter().map(|value| format!("{set}&{name}={value}")).collect::<Vec<_>>();
        sets = sets.iter().flat_map(with).collect();
    };
    let own: &[&str] =
        if caller == "all" { &["acme", "zenith"] } else { &[caller.split('-').next().unwrap_or(caller)] };
    let has = |name: &str| fact.params_in(Place::Query).any(|param| param.name == name);
    for param in fact.params_in(Place::Query).filter(|param| param.required) {
        match param.name.as_str() {
            "account" | "site" => add(&param.name, own),
            "startDate" => add("startDate", &["2026-09-01"]),
            "endDate" => add("endDate", &["2026-12-20"]),
            "refundAmount" => add("refundAmount", &["50"]),
            "price" | "title" => add(&param.name, &["12"]),
            "currency" => add("currency", &["USD"]),
            _ => add(&param.name, &param.values.iter().map(String::as_str).collect::<Vec<_>>()),
        }
    }
    let more = more(fact, records, &has);
    let sets = sets.iter().flat_map(|set| more.iter().map(move |more| format!("{set}{more}")));
    sets.map(|set| if set.is_empty() { set } else { format!("?{}", &set[1..]) }).collect()
}

fn more(fact: &Fact, records: &Records, has: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut more = vec![String::new()];
    if has("startDate") && !fact.params.iter().any(|param| param.name == "startDate" && param.required) {
        more.push("&startDate=2026-09-01&endDate=2026-11-20".to_owned());
        more.push("&startDate=1999-01-01&endDate=1999-01-02".to_owned());
    }
    if has("vendor") {
        more.push("&vendor=%25&role=AFFILIATE&startDate=2026-09-01&endDate=2026-11-20".to_owned());
        more.push("&affiliate=none&type=SALE".to_owned());
    }
    if has("groupBy") {
        more.push("&groupBy=DATE".to_owned());
    }
    if has("receipt") {
        more.push(format!("&receipt={}", records.ship_notices[0].receipt));
        more.push(format!("&receipt={}", records.tickets[0].receipt));
    }
    if fact.id == "products.list" {
        more.push("&type=NONE".to_owned());
    }
    if has("status") && fact.path.contains("/tickets/") {
        more.push("&status=closed&type=cncl&receipt=NONE0000".to_owned());
    }
    if has("approvedOnly") {
        more.extend(["&type=NONE".to_owned(), "&approvedOnly=false".to_owned()]);
    }
    more
}

fn key_of(caller: &str) -> String {
    format!("cbgw_passes{}", caller.replace('-', ""))
}

fn files() -> (String, String) {
    let mut gateway = format!(
        "[upstream]\nurl = \"https://clickbank.test\"\n[limits]\nper_second = 100000\nper_day = 100000000\n\
         [nicknames]\n{NICKNAMES}"
    );
    let mut keys = String::new();
    for (name, nicknames) in CALLERS {
        // Products is for those who sell.
        let table = everything_on(nicknames).replace("products = [\"acme\", \"acmeaff\"]", "products = [\"acme\"]");
        write!(
            gateway,
            "[credentials.{name}]\napi_key = {{ file = \"{name}\" }}\n[credentials.{name}.reach]\n{table}\n"
        )
        .unwrap();
        let digest = KeyDigest::of(key_of(name).as_bytes());
        write!(
            keys,
            "[keys.{name}]\nid = \"key_{name}\"\nstatus = \"active\"\ndigest = \"{digest}\"\n[keys.{name}.grants]\n{table}\n"
        )
        .unwrap();
    }
    (gateway, keys)
}
