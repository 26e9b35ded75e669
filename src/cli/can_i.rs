//! `can-i`: the decision that a live request would get, from the same code, without sending anything.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use crate::config::Secrets;
use crate::domain::call::Call;
use crate::domain::credential::CredentialId;
use crate::domain::decision::{Allowance, Decision, Proof, Safeguard};
use crate::domain::endpoint::Changes;
use crate::domain::matrix::Named;
use crate::keys::KeyFault;
use crate::rejection::Rejection;
use crate::snapshot::Snapshot;
use crate::stage::classify;

use super::Context;
use super::find;
use super::output::{self, OutputFormat, Style, styled};

/// Arguments of `can-i`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  clickbank-gateway can-i billing GET /rest/1.3/orders2/list\n  \
                        clickbank-gateway can-i billing GET '/rest/1.3/products/list?site=acme'\n  \
                        clickbank-gateway can-i billing GET /@acme/rest/1.3/orders2/count\n\n\
                        Exit codes: 0 yes, 1 no, 2 could not answer.")]
pub(crate) struct CanI {
    /// The key's name or id (not the key itself)
    key: String,
    /// GET, HEAD, POST, PUT or DELETE
    method: String,
    /// Path and query, as the app would send them
    target: String,
    /// The nickname that the app would name in Gateway-Nickname
    #[arg(long)]
    nickname: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    decision: &'static str,
    reason: &'static str,
    detail: String,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nicknames: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confined: Option<bool>,
    /// What the gateway adds to the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    adds: Vec<String>,
    /// What is asked of ClickBank before the call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    looks_up: Vec<AskedFirst>,
    /// How much may be changed, for a call that changes something.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    caps: Vec<String>,
}

#[derive(Serialize)]
struct AskedFirst {
    what: &'static str,
    credential: String,
}

impl CanI {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let snapshot = context.load(Secrets::Skip)?.0.snapshot;
        let answer = self.ask(&snapshot)?;
        let allowed = answer.decision != "Deny";
        if context.output == OutputFormat::Json {
            output::print_json(&answer)?;
            return Ok(allowed);
        }
        let colour = output::colour();
        let (word, style) = match answer.decision {
            "Allow" => ("yes", Style::Good),
            "AllowIfOwned" => ("yes, if it is the key's", Style::Good),
            _ => ("no", Style::Bad),
        };
        let mut text = format!("{}  {}\n     {}\n", styled(word, style, colour), answer.reason, answer.detail);
        for (label, value) in [
            ("endpoint", answer.endpoint),
            ("nicknames", Some(answer.nicknames.join(", ")).filter(|names| !names.is_empty())),
            (
                "credential",
                answer.credential.map(|name| match answer.confined {
                    Some(true) => format!("{name} (confined to what the key may see)"),
                    _ => format!("{name} (reaches more than the key may see)"),
                }),
            ),
            ("adds", Some(answer.adds.join("&")).filter(|added| !added.is_empty())),
            ("looks up", Some(joined(&answer.looks_up)).filter(|asked| !asked.is_empty())),
            ("caps", Some(answer.caps.join("; ")).filter(|caps| !caps.is_empty())),
        ] {
            if let Some(value) = value {
                text.push_str(&format!("     {} {value}\n", styled(&format!("{label:10}"), Style::Dim, colour)));
            }
        }
        output::print(&text)?;
        Ok(allowed)
    }

    fn ask(&self, snapshot: &Snapshot) -> anyhow::Result<Answer> {
        let policy = &snapshot.policy;
        let (caller, key) = find::key(&snapshot.keys, &self.key)?;
        // Callers are told nothing about undeclared nicknames; whoever asks here may know, and has perhaps slipped.
        if let Some(Err(error)) = self.nickname.as_ref().map(|name| find::nickname(&policy.nicknames, name)) {
            output::complain(&format!("note: {error}"));
        }
        let mut answer = Answer {
            decision: "Deny",
            reason: "",
            detail: String::new(),
            key: key.name.to_string(),
            endpoint: None,
            nicknames: Vec::new(),
            credential: None,
            confined: None,
            adds: Vec::new(),
            looks_up: Vec::new(),
            caps: Vec::new(),
        };
        if let Err(fault) = snapshot.keys.identify(&key.digest, Timestamp::now()) {
            answer.reason = Rejection::KeyRefused(fault).code().as_str();
            let mend = match fault {
                KeyFault::Expired => "Give it a later `expires`",
                _ => "Say `status = \"active\"`",
            };
            answer.detail =
                format!("The key is {}, so every call with it is refused. {mend} in keys.toml.", fault.as_str());
            return Ok(answer);
        }
        let called =
            Call::read(&policy.catalogue, &self.method, &self.target).map_err(Rejection::from).and_then(|call| {
                let header = self.nickname.as_deref().map(http::HeaderValue::from_str).transpose();
                let header = header.map_err(|_| Rejection::NicknameNotGranted { needed: <_>::default() })?;
                let named = classify::named(&policy.nicknames, header.as_ref(), call.base_nickname())?;
                Ok((call, named))
            });
        let (call, named): (Call, Named) = match called {
            Ok(called) => called,
            Err(rejection) => return Ok(answer.denied(&rejection)),
        };
        let Some(endpoint) = policy.catalogue.endpoint(call.endpoint()) else {
            return Ok(answer.denied(&Rejection::UnknownEndpoint));
        };
        answer.endpoint = Some(endpoint.name.clone());
        let resolution = policy.resolve(caller, endpoint, &call, named);
        let names = |set| policy.nicknames.names(set).into_iter().map(str::to_owned).collect::<Vec<_>>();
        match policy.decide(caller, endpoint, &call, &resolution) {
            decision @ (Decision::Allow(allowance) | Decision::AllowIfOwned(allowance)) => {
                let Allowance { nicknames, credential, safeguard } = allowance;
                answer.decision = if matches!(decision, Decision::Allow(_)) { "Allow" } else { "AllowIfOwned" };
                answer.reason = safeguard.as_str();
                answer.detail = format!("{}.", capitalised(safeguard.description()));
                answer.nicknames = names(&nicknames);
                answer.credential = credential.map(|id: CredentialId| policy.credentials.name(id).to_owned());
                answer.confined = resolution.choice.map(|choice| choice.confined).filter(|_| credential.is_some());
                if endpoint.changes != Changes::Nothing {
                    let counted = policy.caps.counted(caller, &nicknames, call.effects(endpoint));
                    let told = counted.map(|(whose, cap)| match whose {
                        Some(nickname) => format!("{cap} on {}", policy.nicknames.name(nickname)),
                        None => format!("{cap} with this key"),
                    });
                    answer.caps = told.collect();
                }
                let credential_named = |id| policy.credentials.name(id).to_owned();
                match safeguard {
                    Safeguard::RequestConfined(nickname) => {
                        answer.adds = call.additions(endpoint, policy.nicknames.name(nickname));
                    }
                    Safeguard::LookedUp(Proof { subject, with })
                    | Safeguard::Confined { proof: Some(Proof { subject, with }), .. } => {
                        let asked = |what| AskedFirst { what, credential: credential_named(with.credential) };
                        let reach =
                            with.verify.then(|| asked("once, whether the credential reaches all that is declared"));
                        answer.looks_up = reach.into_iter().chain([asked(subject.description())]).collect();
                    }
                    Safeguard::Confined { verify: true, .. } => {
                        let what = "once, whether the credential reaches nothing else than declared";
                        answer.looks_up = credential
                            .map(|id| AskedFirst { what, credential: credential_named(id) })
                            .into_iter()
                            .collect();
                    }
                    _ => {}
                }
                Ok(answer)
            }
            Decision::Deny(denial) => {
                let about = resolution.effective.union(resolution.allowed.declared());
                Ok(answer.denied(&Rejection::from_denial(&denial, policy, endpoint.permissions, names(&about))))
            }
        }
    }
}

impl Answer {
    fn denied(mut self, rejection: &Rejection) -> Self {
        self.reason = rejection.code().as_str();
        self.detail = rejection.detail();
        self
    }
}

fn joined(look_ups: &[AskedFirst]) -> String {
    let texts = look_ups.iter().map(|look_up| format!("{}, with {}", look_up.what, look_up.credential));
    texts.collect::<Vec<_>>().join("; ")
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
