//! The parts of `gateway.toml` that decide: nicknames, credentials, endpoints, extra parameters.

use std::path::Path;

use crate::domain::catalogue::{Catalogue, ExtraParameter};
use crate::domain::credential::{Credentials, ScopeByPermission};
use crate::domain::endpoint::Endpoint;
use crate::domain::nickname::{Nickname, NicknameKind, NicknameSet, Nicknames, Scope};
use crate::domain::permission::Permission;
use crate::domain::secret::{CredentialSecret, SecretText};

use super::Secrets;
use super::endpoint;
use super::file::{self, Unusable};
use super::form::{Entry, Form, shown};
use super::problem::{choices, quoted};

/// Reads `[nicknames]`.
pub(super) fn read_nicknames(entry: Option<&Entry<'_>>) -> Nicknames {
    let mut nicknames = Nicknames::default();
    let Some(mut form) = entry.and_then(Entry::form) else { return nicknames };
    let declared = form.rest();
    if declared.is_empty() {
        form.error("declares no nickname", "add a line for each account, such as `acme = \"seller\"`");
    }
    for (name, entry) in declared {
        let kind = entry.one_of(&NicknameKind::NAMES, NicknameKind::parse);
        match Nickname::parse(name) {
            Err(error) => entry.error(
                format!("`{}` cannot be a nickname: {error}", shown(name)),
                "write the nickname as ClickBank shows it",
            ),
            // A kind that is wrong is reported already; the nickname is declared all the same, so that its other uses
            // are not reported as unknown.
            Ok(nickname) => {
                if nicknames.declare(nickname.clone(), kind.unwrap_or(NicknameKind::Both)).is_some() {
                    continue;
                }
                if nicknames.find(name).is_some() {
                    entry.error(
                        format!("declares `{nickname}` a second time"),
                        "remove one; case does not matter in nicknames",
                    );
                } else {
                    entry.error(
                        format!("is one nickname too many: a gateway serves up to {}", Nicknames::MAX),
                        "run a second gateway for the rest",
                    );
                }
            }
        }
    }
    nicknames
}

/// Reads a table of permissions: `orders_read = ["acme"]` or `orders_read = "all"`.
pub(super) fn read_scopes(form: &mut Form<'_>, nicknames: &Nicknames) -> ScopeByPermission {
    let mut scopes = ScopeByPermission::default();
    for permission in Permission::ALL {
        if let Some(entry) = form.take(permission.as_str())
            && let Some(scope) = read_scope(&entry, permission, nicknames)
        {
            scopes.add(permission, &scope);
        }
    }
    form.finish();
    scopes
}

fn read_scope(entry: &Entry<'_>, permission: Permission, nicknames: &Nicknames) -> Option<Scope> {
    let possible = |kind: NicknameKind| permission != Permission::Products || kind.sells();
    if let Some(word) = entry.if_text() {
        if word != "all" {
            entry.error(
                format!("has no meaning as `{}`", shown(word)),
                "write \"all\" for All Accounts, or a list of nicknames such as [\"acme\"]",
            );
            return None;
        }
        return Some(Scope::all(nicknames.iter().filter(|(_, _, kind)| possible(*kind)).map(|(id, ..)| id).collect()));
    }
    let mut set = NicknameSet::default();
    let listed = entry.list()?;
    if listed.is_empty() {
        entry.warning("lists no nickname, so it means nothing", "name nicknames, or remove the line");
    }
    for entry in listed {
        let Some(text) = entry.text() else { continue };
        let names = nicknames.iter().map(|(_, nickname, _)| nickname.as_str());
        match nicknames.find(text) {
            None if text == "all" => {
                entry.error(
                    "stands in a list",
                    format!("write `{permission} = \"all\"` for All Accounts, without brackets"),
                );
            }
            None if nicknames.is_empty() => {}
            None => entry.error(
                format!("`{}` is not declared in [nicknames]", shown(text)),
                choices(text, names.take(20).collect::<Vec<_>>()),
            ),
            Some(id) if set.contains(id) => entry.error(format!("`{}` stands twice", shown(text)), "remove one"),
            Some(id) if !nicknames.kind(id).is_some_and(possible) => entry.error(
                format!("`{}` is an affiliate, and the Products API is for sellers only", shown(text)),
                "remove it, or declare the nickname as \"seller\" or \"both\"",
            ),
            Some(id) => set.insert(id),
        }
    }
    Some(Scope::only(set))
}

/// Reads `[credentials]`.
pub(super) fn read_credentials(
    entry: Option<&Entry<'_>>,
    nicknames: &Nicknames,
    directory: &Path,
    secrets: Secrets,
) -> (Credentials, Vec<CredentialSecret>) {
    let mut reaches = Vec::new();
    let mut values = Vec::new();
    let Some(mut form) = entry.and_then(Entry::form) else { return (Credentials::default(), values) };
    let declared = form.rest();
    if declared.is_empty() || declared.len() > Credentials::MAX {
        form.error(
            format!("declares {} credentials", declared.len()),
            format!("declare 1 to {}, each as `[credentials.NAME]`", Credentials::MAX),
        );
    }
    for (name, entry) in declared {
        check_credential_name(name, &entry);
        let Some(mut form) = entry.form() else { continue };
        let api_key = form.require("api_key", "say where it is: `api_key = { file = \"/run/secrets/clickbank\" }`");
        let developer_key = form.take("developer_key");
        let reach =
            form.require("reach", "say what ClickBank gives this key, as `[credentials.NAME.reach]` with permissions");
        form.finish();
        let scopes = reach.as_ref().and_then(Entry::form).map(|mut form| read_scopes(&mut form, nicknames));
        if let (Some(reach), Some(scopes)) = (&reach, &scopes)
            && Permission::ALL.iter().all(|permission| scopes.of(*permission).is_empty())
            && !nicknames.is_empty()
        {
            reach.error("reaches nothing", "list the permissions and nicknames that API Management shows for this key");
        }
        reaches.push((name.to_owned(), scopes.unwrap_or_default()));
        let api_key = api_key.and_then(|entry| read_secret(&entry, directory, secrets));
        let developer_key = developer_key.map(|entry| read_secret(&entry, directory, secrets));
        if let Some(value) = join_secret(api_key, developer_key) {
            values.push(value);
        }
    }
    (Credentials::new(reaches), values)
}

fn check_credential_name(name: &str, entry: &Entry<'_>) {
    let valid = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if !valid {
        entry.error(
            format!("`{}` cannot be a credential's name", shown(name)),
            "use 1 to 64 letters, digits, `.`, `-` or `_`; the name is for you, it is not the key",
        );
    }
}

/// A secret's text and the place where the configuration names it.
pub(super) type Located<'a> = (Entry<'a>, SecretText);

#[expect(clippy::option_option, reason = "a developer key can be absent (None) or unreadable (Some(None))")]
fn join_secret(api_key: Option<Located<'_>>, developer_key: Option<Option<Located<'_>>>) -> Option<CredentialSecret> {
    let (entry, api_key) = api_key?;
    let (at_fault, developer_key) = match developer_key {
        None => (entry.clone(), None),
        Some(located) => located.map(|(entry, text)| (entry, Some(text)))?,
    };
    let alone = CredentialSecret::parse(api_key.expose_to_parser(), None);
    let whole = match (alone, &developer_key) {
        (Err(error), _) => Err((entry, error)),
        (Ok(secret), None) => Ok(secret),
        (Ok(_), Some(developer_key)) => {
            CredentialSecret::parse(api_key.expose_to_parser(), Some(developer_key.expose_to_parser()))
                .map_err(|error| (at_fault, error))
        }
    };
    match whole {
        Ok(secret) => Some(secret),
        Err((entry, error)) => {
            entry.error(
                format!("does not lead to a ClickBank key: {error}"),
                "copy the key from ClickBank's Settings > API Management into that place, and nothing else",
            );
            None
        }
    }
}

/// Reads the text that `{ file = … }` or `{ env = … }` leads to; nothing where secrets are left alone.
pub(super) fn read_secret<'a>(entry: &Entry<'a>, directory: &Path, secrets: Secrets) -> Option<Located<'a>> {
    if entry.if_text().is_some() {
        // The text may well be the key itself, so it is not repeated.
        entry.error(
            "has to say where the secret is; a secret itself must not stand in this file",
            "write `{ file = \"/run/secrets/…\" }` or `{ env = \"…\" }`, and regenerate the key if it has been in this file",
        );
        return None;
    }
    let mut form = entry.form()?;
    let (path, variable) = (form.take("file"), form.take("env"));
    form.finish();
    match (path, variable) {
        (Some(path), None) => {
            let text = path.text()?;
            if secrets == Secrets::Skip {
                return None;
            }
            match file::read_secret(&directory.join(text)) {
                Ok((secret, exposed)) => {
                    if exposed {
                        path.warning(
                            format!("`{}` can be read by every user of this machine", shown(text)),
                            format!("run `chmod o-r {}`", shown(text)),
                        );
                    }
                    Some((path, secret))
                }
                Err(Unusable { message, mend }) => {
                    path.error(format!("`{}` {message}", shown(text)), mend);
                    None
                }
            }
        }
        (None, Some(variable)) => {
            let name = variable.text()?;
            if secrets == Secrets::Skip {
                return None;
            }
            let Some(secret) = read_environment(name) else {
                variable.error(
                    format!("the environment has no variable `{}` with text in it", shown(name)),
                    "set it for the gateway's process, or use `{ file = \"…\" }`",
                );
                return None;
            };
            Some((variable, secret))
        }
        _ => {
            entry.error("has to name one place", "write `{ file = \"/run/secrets/…\" }` or `{ env = \"…\" }`");
            None
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the configuration asks for this variable by name")]
fn read_environment(name: &str) -> Option<SecretText> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return None;
    }
    let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
    SecretText::from_bytes(std::os::unix::ffi::OsStringExt::into_vec(value))
}

/// Adds `[[endpoint]]` to the built-in endpoints.
pub(super) fn read_endpoints(entry: Option<&Entry<'_>>, built_in: Vec<Endpoint>) -> Catalogue {
    let mut endpoints = built_in;
    for entry in entry.and_then(Entry::list).unwrap_or_default() {
        let Some(added) = endpoint::read(&entry, true) else { continue };
        let clash = endpoints.iter().find(|other| {
            other.name == added.name || (other.method == added.method && other.path.overlaps(&added.path))
        });
        match clash {
            Some(other) => entry.error(
                format!("overlaps the endpoint `{}` ({} {})", other.name, other.method, other.path),
                "remove it, or change its id, method or path; what is built in cannot be redefined",
            ),
            None if added.path.service().eq_ignore_ascii_case("debug") => entry.error(
                "is below /debug, which repeats the credential",
                "remove it; that part of ClickBank's API is never opened",
            ),
            None => endpoints.push(added),
        }
    }
    Catalogue::new(endpoints)
}

/// Reads `[extra_parameters]`: `name = "drop"` for every endpoint, `"orders2.list" = { name = "forward" }` for one.
pub(super) fn read_extra_parameters(entry: Option<&Entry<'_>>, catalogue: &mut Catalogue) {
    let Some(mut form) = entry.and_then(Entry::form) else { return };
    for (name, entry) in form.rest() {
        if !entry.is_table() {
            if endpoint::check_parameter_name(&entry, name)
                && let Some(action) = read_action(&entry)
            {
                catalogue.add_extra_parameter(None, name.to_owned(), action);
            }
            continue;
        }
        let Some((id, known)) = catalogue.named(name).map(|(id, endpoint)| {
            (id, endpoint.parameters.iter().map(|parameter| parameter.name.clone()).collect::<Vec<_>>())
        }) else {
            let names: Vec<&str> = catalogue.iter().map(|(_, endpoint)| endpoint.name.as_str()).collect();
            let mend = match super::problem::did_you_mean(name, names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "`clickbank-gateway endpoints` lists the endpoints' names".to_owned(),
            };
            entry.error(format!("there is no endpoint `{}`", shown(name)), mend);
            continue;
        };
        let Some(mut form) = entry.form() else { continue };
        for (parameter, entry) in form.rest() {
            if known.iter().any(|other| other == parameter) {
                entry.error(
                    "is a parameter that the endpoint has anyway",
                    format!("remove the line; the endpoint's own are {}", quoted(known.iter().map(String::as_str))),
                );
            } else if endpoint::check_parameter_name(&entry, parameter)
                && let Some(action) = read_action(&entry)
            {
                catalogue.add_extra_parameter(Some(id), parameter.to_owned(), action);
            }
        }
    }
}

fn read_action(entry: &Entry<'_>) -> Option<ExtraParameter> {
    entry.one_of(&["drop", "forward"], |word| match word {
        "drop" => Some(ExtraParameter::Drop),
        "forward" => Some(ExtraParameter::Forward),
        _ => None,
    })
}
