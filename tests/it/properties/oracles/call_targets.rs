//! Method and target: canonical once read, the same however they were spelled, and decided on in that form alone.

use clickbank_gateway::domain::call::Call;
use clickbank_gateway::domain::catalogue::{Catalogue, ExtraParameter};
use clickbank_gateway::domain::matrix::{CallerId, Named, Policy};

use super::grammar::{self, Sent};
use super::setup::{EXTENDED, PLAIN};

/// A method, a space, and a target.
pub(crate) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (method, target) = text.split_once(' ').unwrap_or(("GET", &text));
    for setup in [&*PLAIN, &*EXTENDED] {
        check_under(&setup.snapshot.policy, method, target);
    }
}

fn write(catalogue: &Catalogue, call: &Call) -> String {
    call.target(catalogue.endpoint(call.endpoint()).expect("the call was read with this catalogue"))
}

fn check_under(policy: &Policy, method: &str, target: &str) {
    let catalogue = &policy.catalogue;
    let Ok(call) = Call::read(catalogue, method, target) else { return };
    let written = write(catalogue, &call);
    let sent = grammar::check_sent(catalogue, method, &written);
    assert_eq!(sent.endpoint, call.endpoint(), "{target:?} is written as {written:?}");
    survives(catalogue, target, &written, &sent);

    // Canonicalisation is idempotent.
    let again = Call::read(catalogue, method, &written).unwrap_or_else(|error| panic!("{written:?}: {error:?}"));
    assert_eq!(write(catalogue, &again), written, "{target:?}");
    same_decisions(policy, &call, &again, target);

    for other in respelled(&written, &sent) {
        if other.len() > 2_000 {
            continue;
        }
        let read = Call::read(catalogue, method, &other).unwrap_or_else(|error| panic!("{other:?}: {error:?}"));
        assert_eq!(write(catalogue, &read), written, "{other:?}");
        assert_eq!(read, again, "{other:?}");
        same_decisions(policy, &again, &read, &other);
    }
}

/// What was asked for is what is sent: path and pairs, in order, decoded.
fn survives(catalogue: &Catalogue, target: &str, written: &str, sent: &Sent) {
    let path = |target: &str| target.split('?').next().unwrap_or_default().to_owned();
    let mut asked = path(target);
    if let Some(based) = asked.strip_prefix("/@") {
        asked = based[based.find('/').expect("a path behind the nickname")..].to_owned();
    }
    let asked = asked.strip_suffix('/').unwrap_or(&asked);
    let upper = |segment: &str| {
        let lower = !segment.bytes().any(|byte| byte.is_ascii_uppercase());
        if lower { segment.to_ascii_uppercase() } else { segment.to_owned() }
    };
    let written_path = path(written);
    assert_eq!(asked.split('/').count(), written_path.split('/').count());
    for (place, (asked, written)) in asked.split('/').zip(written_path.split('/')).enumerate() {
        // Roles and dimensions are the only values whose case is folded; both belong to Analytics.
        let folded = place > 3 && written_path.starts_with("/rest/1.3/analytics/") && upper(asked) == written;
        assert!(asked == written || folded, "{target:?} is written as {written_path:?}");
    }

    let endpoint = catalogue.endpoint(sent.endpoint).expect("an endpoint of this catalogue");
    let known = |name: &str| endpoint.parameters.iter().any(|parameter| parameter.name == name);
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let asked = grammar::form_pairs(query).unwrap_or_else(|| panic!("no query: {query:?}"));
    let dropped =
        |name: &str| !known(name) && catalogue.extra_parameter(sent.endpoint, name) == Some(ExtraParameter::Drop);
    // Pairs of the endpoint's own come first, then those that the configuration lets through.
    let (own, extra): (Vec<_>, Vec<_>) =
        asked.into_iter().filter(|(name, _)| !dropped(name)).partition(|(name, _)| known(name));
    assert_eq!([own, extra].concat(), sent.pairs, "{target:?} is written as {written:?}");
}

/// The same call, spelled in other ways that mean the same to everybody.
fn respelled(written: &str, sent: &Sent) -> Vec<String> {
    let path = written.split('?').next().unwrap_or_default();
    let spelled = |byte: fn(u8) -> String| {
        let value = |text: &str| text.bytes().map(byte).collect::<Vec<_>>().concat();
        let pairs: Vec<String> = sent.pairs.iter().map(|(name, text)| format!("{name}={}", value(text))).collect();
        format!("{path}/?{}", pairs.join("&"))
    };
    vec![
        spelled(|byte| format!("%{byte:02X}")),
        spelled(|byte| format!("%{byte:02x}")),
        spelled(|byte| match byte {
            b' ' => "+".to_owned(),
            _ if byte.is_ascii_alphanumeric() || b"-._~!$'()*,=:@/?".contains(&byte) => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        }),
    ]
}

/// Equal canonical forms get equal decisions, whoever asks and whichever nickname is named.
fn same_decisions(policy: &Policy, one: &Call, other: &Call, about: &str) {
    let names = policy.nicknames.iter().map(|(id, _, _)| Named::Nickname(id));
    let names: Vec<Named> = names.chain([Named::Nothing, Named::Undeclared]).collect();
    for caller in policy.matrix.callers() {
        for named in &names {
            let (one, other) = (decide(policy, caller, one, *named), decide(policy, caller, other, *named));
            assert_eq!(one, other, "{about:?}");
        }
    }
}

fn decide(policy: &Policy, caller: CallerId, call: &Call, named: Named) -> String {
    let endpoint = policy.catalogue.endpoint(call.endpoint()).expect("an endpoint of this catalogue");
    let resolution = policy.resolve(caller, endpoint, call, named);
    format!("{:?}", policy.decide(caller, endpoint, call, &resolution))
}
