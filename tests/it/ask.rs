//! Loads a configuration from its text, as `serve` does, and tells a decision in one line of plain words.

use std::fmt::Write as _;

use clickbank_gateway::config::{self, Config, Secrets};
use clickbank_gateway::domain::call::{Call, CallError};
use clickbank_gateway::domain::decision::{Decision, Proof, Safeguard, Unconfined};
use clickbank_gateway::domain::matrix::{CallerId, Named, Policy};
use clickbank_gateway::rejection::Rejection;

/// Loads `gateway.toml` and `keys.toml` with these texts. No secret is read.
pub(crate) fn load(gateway: &str, keys: &str) -> Config {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("gateway.toml");
    std::fs::write(&file, gateway).expect("gateway.toml can be written");
    std::fs::write(directory.path().join("keys.toml"), keys).expect("keys.toml can be written");
    match config::load(&file, Secrets::Skip) {
        Ok((config, _)) => config,
        Err(findings) => panic!("{:#?}\n{gateway}\n{keys}", findings.errors),
    }
}

/// A target as the policy's catalogue reads it.
pub(crate) fn read(policy: &Policy, method: &str, target: &str) -> Result<Call, CallError> {
    Call::read(&policy.catalogue, method, target)
}

/// What is decided about a call of a caller who names, if anything, the nickname in the base path.
pub(crate) fn decide(policy: &Policy, caller: CallerId, call: &Call) -> String {
    decide_about(policy, caller, call).0
}

/// The same, and the nicknames that an allowed call is about.
pub(crate) fn decide_about<'a>(policy: &'a Policy, caller: CallerId, call: &Call) -> (String, Vec<&'a str>) {
    let named = named(policy, call);
    let endpoint = policy.catalogue.endpoint(call.endpoint()).expect("the call was read with this catalogue");
    let resolution = policy.resolve(caller, endpoint, call, named);
    match policy.decide(caller, endpoint, call, &resolution) {
        decision @ (Decision::Allow(allowance) | Decision::AllowIfOwned(allowance)) => {
            let word = if matches!(decision, Decision::Allow(_)) { "Allow" } else { "AllowIfOwned" };
            let mut words = format!("{word} {}", allowance.safeguard.as_str());
            if let Some(credential) = allowance.credential {
                let confined = resolution.choice.expect("a credential was chosen").confined;
                let name = policy.credentials.name(credential);
                let _ = write!(words, " by {name}{}", if confined { "" } else { " (wide)" });
            }
            (words, policy.nicknames.names(&allowance.nicknames))
        }
        Decision::Deny(denial) => {
            (refusal(&Rejection::from_denial(&denial, policy, endpoint.permissions, Vec::new())), Vec::new())
        }
    }
}

/// What is asked of ClickBank before an allowed call, and with which credential.
pub(crate) fn asked_first(policy: &Policy, caller: CallerId, call: &Call) -> Option<String> {
    let named = named(policy, call);
    let endpoint = policy.catalogue.endpoint(call.endpoint()).expect("the call was read with this catalogue");
    let resolution = policy.resolve(caller, endpoint, call, named);
    let decision = policy.decide(caller, endpoint, call, &resolution);
    let (Decision::Allow(allowance) | Decision::AllowIfOwned(allowance)) = decision else { return None };
    match allowance.safeguard {
        Safeguard::LookedUp(Proof { with, .. }) | Safeguard::Confined { proof: Some(Proof { with, .. }), .. } => {
            let name = policy.credentials.name(with.credential);
            Some(format!("{}whose order, with {name}", if with.verify { "how far, and " } else { "" }))
        }
        Safeguard::Confined { verify: true, .. } => {
            let credential = allowance.credential.expect("a confined credential acts");
            Some(format!("how far, with {}", policy.credentials.name(credential)))
        }
        _ => None,
    }
}

fn named(policy: &Policy, call: &Call) -> Named {
    let find = |name| policy.nicknames.find(name).map_or(Named::Undeclared, Named::Nickname);
    call.base_nickname().map_or(Named::Nothing, find)
}

/// A refusal's public code, and what it names.
pub(crate) fn refusal(rejection: &Rejection) -> String {
    let code = rejection.code();
    match rejection {
        Rejection::PermissionMissing { missing, .. } if missing.is_empty() => format!("Deny {code} together"),
        Rejection::PermissionMissing { missing, .. } => format!("Deny {code} {missing}"),
        Rejection::NicknameRequired { nicknames } => format!("Deny {code} {}", nicknames.join(", ")),
        Rejection::ConfinedCredentialRequired { why, .. } => format!("Deny {code} {}", because(*why)),
        _ => format!("Deny {code}"),
    }
}

const fn because(why: Unconfined) -> &'static str {
    match why {
        Unconfined::NoCredential => "no-credential",
        Unconfined::OwnerNowhere => "owner-nowhere",
        Unconfined::List => "list",
        Unconfined::AffiliateRole => "affiliate-role",
        Unconfined::RoleMissing => "role-missing",
        Unconfined::OtherFilter => "other-filter",
        Unconfined::Several => "several",
        Unconfined::NoLookUp => "no-look-up",
        Unconfined::ForwardedParameter => "forwarded",
    }
}
