//! The parts of `gateway.toml` that decide: nicknames, credentials, endpoints, extra parameters.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::domain::catalogue::{Catalogue, ExtraParameter};
use crate::domain::credential::{Credentials, ScopeByPermission};
use crate::domain::endpoint::Endpoint;
use crate::domain::nickname::{Nickname, NicknameError, NicknameKind, NicknameSet, Nicknames, Scope};
use crate::domain::permission::Permission;
use crate::domain::secret::{CredentialSecret, SecretText, has_secret};
use crate::domain::target::API_PREFIX;

use super::Secrets;
use super::endpoint;
use super::file::{self, Unusable};
use super::form::{Entry, Form, shown};
use super::problem::{did_you_mean, quoted};

/// What stands for All Accounts in grants and reaches.
const ALL: &str = "all";

/// The declared nicknames, and the names whose declaration is wrong: that is reported where they are declared, and not
/// again wherever they are used.
pub(super) struct Declared {
    pub(super) nicknames: Nicknames,
    doubtful: HashSet<String>,
    all_doubtful: bool,
}

impl Declared {
    pub(super) fn new(nicknames: Nicknames) -> Self {
        Self { nicknames, doubtful: HashSet::new(), all_doubtful: false }
    }

    /// The declarations could not be read, so that no name is reported as undeclared.
    pub(super) fn doubt_all(&mut self) {
        self.all_doubtful = true;
    }

    /// Says at `entry` that nobody has declared this nickname.
    pub(super) fn report_undeclared(&self, entry: &Entry<'_>, name: &str) {
        if self.all_doubtful || self.doubtful.contains(&name.to_ascii_lowercase()) {
            return;
        }
        let names = || self.nicknames.iter().map(|(_, nickname, _)| nickname.as_str());
        let mend = match did_you_mean(name, names()) {
            Some(meant) => format!("write `{meant}` if that is meant, or declare it there"),
            None => format!("use one of {}, or declare it there", quoted(names().take(20))),
        };
        entry.error(format!("`{}` is not declared in [nicknames]", shown(name)), mend);
    }
}

/// Reads `[nicknames]`.
pub(super) fn read_nicknames(entry: Option<&Entry<'_>>) -> Declared {
    let mut declared = Declared::new(Nicknames::default());
    let Some(mut form) = entry.and_then(Entry::form).filter(|form| !form.is_empty()) else {
        if let Some(entry) = entry.filter(|entry| entry.is_table()) {
            entry.error("declares no nickname", "add a line for each account, such as `acme = \"seller\"`");
        }
        declared.doubt_all();
        return declared;
    };
    for (name, entry) in form.rest() {
        let before = declared.nicknames.len();
        declare(&mut declared.nicknames, name, &entry);
        if declared.nicknames.len() == before {
            declared.doubtful.insert(name.to_ascii_lowercase());
        }
    }
    declared
}

fn declare(nicknames: &mut Nicknames, name: &str, entry: &Entry<'_>) {
    let kind = entry.one_of(&NicknameKind::NAMES, NicknameKind::parse);
    let mend = "write the nickname as ClickBank shows it";
    match Nickname::parse(name) {
        Err(error @ NicknameError::Reserved) => entry.error(error.to_string(), mend),
        Err(error) => entry.error(format!("`{}` cannot be a nickname: {error}", shown(name)), mend),
        Ok(_) if name.eq_ignore_ascii_case(ALL) => {
            entry.error("`all` cannot be a nickname: in grants and reaches it means All Accounts", mend);
        }
        Ok(nickname) if nicknames.find(name).is_some() => {
            entry
                .error(format!("declares `{nickname}` a second time"), "remove one; case does not matter in nicknames");
        }
        // A kind that is wrong is reported already; the nickname is declared all the same, so that its other uses are
        // not reported as unknown.
        Ok(nickname) => {
            if nicknames.declare(nickname, kind.unwrap_or(NicknameKind::Both)).is_none() {
                entry.error(
                    format!("is one nickname too many: a gateway serves up to {}", Nicknames::MAX),
                    "run a second gateway for the rest",
                );
            }
        }
    }
}

/// What a grant or reach of no nickname is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nobody {
    /// A key or credential without that permission: a line that can go.
    Warning,
    /// A credential without any: something was forgotten.
    Error,
}

/// Reads a key's grants: `orders_read = ["acme"]` or `orders_read = "all"`.
pub(super) fn read_scopes(form: &mut Form<'_>, nicknames: &Declared) -> ScopeByPermission {
    read_table_of_permissions(form, nicknames, Nobody::Warning)
}

fn read_table_of_permissions(form: &mut Form<'_>, nicknames: &Declared, nobody: Nobody) -> ScopeByPermission {
    let mut scopes = ScopeByPermission::default();
    for permission in Permission::ALL {
        if let Some(entry) = form.take(permission.as_str())
            && let Some(scope) = read_scope(&entry, permission, nicknames, nobody)
        {
            scopes.add(permission, &scope);
        }
    }
    form.finish();
    scopes
}

fn read_scope(entry: &Entry<'_>, permission: Permission, declared: &Declared, nobody: Nobody) -> Option<Scope> {
    let nicknames = &declared.nicknames;
    let possible = |kind: NicknameKind| permission != Permission::Products || kind.sells();
    if let Some(word) = entry.if_text() {
        if word != ALL {
            let mend = match nicknames.find(word) {
                Some(_) => format!("write `{permission} = [\"{word}\"]`, in brackets"),
                None => "write \"all\" for All Accounts, or a list of nicknames such as [\"acme\"]".to_owned(),
            };
            entry.error(format!("has no meaning as `{}`", shown(word)), mend);
            return None;
        }
        return Some(Scope::all(nicknames.iter().filter(|(_, _, kind)| possible(*kind)).map(|(id, ..)| id).collect()));
    }
    let mut set = NicknameSet::default();
    if !entry.is_list() {
        entry.error(
            "is neither a list of nicknames nor \"all\"",
            format!("write `{permission} = [\"acme\"]`, or `{permission} = \"all\"` for All Accounts"),
        );
        return None;
    }
    let listed = entry.list()?;
    if listed.is_empty() {
        let (message, mend) = ("lists no nickname, so it means nothing", "name nicknames, or remove the line");
        match nobody {
            Nobody::Warning => entry.warning(message, mend),
            Nobody::Error => entry.error(message, mend),
        }
    }
    for entry in listed {
        let Some(text) = entry.text() else { continue };
        match nicknames.find(text) {
            None if text == ALL => {
                entry.error(
                    "`all` stands in a list",
                    format!("write `{permission} = \"all\"` for All Accounts, without brackets"),
                );
            }
            None => declared.report_undeclared(&entry, text),
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
    nicknames: &Declared,
    directory: &Path,
    secrets: Secrets,
) -> (Credentials, Vec<CredentialSecret>) {
    let mut reaches = Vec::new();
    let mut values = Vec::new();
    let mut places: HashMap<String, &str> = HashMap::new();
    let Some(mut form) = entry.and_then(Entry::form) else { return (Credentials::default(), values) };
    let declared = form.rest();
    if declared.is_empty() || declared.len() > Credentials::MAX {
        form.error(
            format!("declares {} credentials", declared.len()),
            format!("declare 1 to {}, each as `[credentials.NAME]`", Credentials::MAX),
        );
    }
    for (name, entry) in declared {
        if ["api_key", "developer_key", "reach"].contains(&name) {
            entry.error(
                "stands where a credential's name belongs",
                format!("give the credential a name, as in `[credentials.acme]`, and put {name} below it"),
            );
            continue;
        }
        check_credential_name(name, &entry);
        let Some(mut form) = entry.form() else { continue };
        let api_key = form.require("api_key", "say where it is: `api_key = { file = \"/run/secrets/clickbank\" }`");
        let developer_key = form.take("developer_key");
        let reach =
            form.require("reach", "say what ClickBank gives this key, as `[credentials.NAME.reach]` with permissions");
        form.finish();
        let scopes = reach.as_ref().and_then(Entry::form).map(|mut form| {
            if form.is_empty() {
                form.error("is empty", "list the permissions and nicknames that API Management shows for this key");
            }
            let nobody = if form.every(Entry::is_empty_list) { Nobody::Error } else { Nobody::Warning };
            read_table_of_permissions(&mut form, nicknames, nobody)
        });
        reaches.push((name.to_owned(), scopes.unwrap_or_default()));
        if let Some((entry, place)) = api_key.as_ref().and_then(|entry| Some((entry, place_of(entry)?)))
            && let Some(other) = places.insert(place, name)
        {
            entry.error(
                format!("is the key of `{}` already", shown(other)),
                "a ClickBank key has one reach: declare it once, or name another key's file or variable",
            );
        }
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
        && !has_secret(name)
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

const NOT_THE_SECRET: &str = "has to say where the secret is; a secret itself must not stand in this file";
const WHERE_SECRETS_ARE: &str =
    "write `{ file = \"/run/secrets/…\" }` or `{ env = \"…\" }`, and regenerate the key if it has been in this file";

/// Where a secret is, as text that is equal for equal places; nothing where that is wrong.
fn place_of(entry: &Entry<'_>) -> Option<String> {
    let mut form = entry.is_table().then(|| entry.form())??;
    let place = |kind: &'static str, form: &mut Form<'_>| {
        form.take(kind).and_then(|entry| entry.if_text()).map(|text| format!("{kind}:{text}"))
    };
    place("file", &mut form).xor(place("env", &mut form))
}

/// Reads the path of a file with a secret, where people sometimes put the secret itself.
pub(super) fn read_path_to_secret<'a>(entry: &Entry<'a>, example: &str) -> Option<&'a str> {
    let text = entry.text_like(example)?;
    if has_secret(text) {
        // It may still be the path of a file that somebody named after a key, but that is as bad.
        entry.error(
            NOT_THE_SECRET,
            "put it in a file, name that file here, and regenerate the key, since it has been exposed",
        );
        return None;
    }
    Some(text)
}

/// Warns of a file with a secret that others can read.
pub(super) fn warn_of_readers(entry: &Entry<'_>, path: &str, directory: &Path) {
    entry.warning(
        format!("`{}` can be read by every user of this machine", shown(path)),
        format!("run `chmod o-r {}`", file::shown_path(&directory.join(path))),
    );
}

/// Reads the text that `{ file = … }` or `{ env = … }` leads to; nothing where secrets are left alone.
pub(super) fn read_secret<'a>(entry: &Entry<'a>, directory: &Path, secrets: Secrets) -> Option<Located<'a>> {
    if !entry.is_table() {
        // The text may well be the key itself, so it is not repeated.
        entry.error(NOT_THE_SECRET, WHERE_SECRETS_ARE);
        return None;
    }
    let mut form = entry.form()?;
    let (path, variable) = (form.take("file"), form.take("env"));
    let reported = form.finish();
    match (path, variable) {
        (Some(path), None) => {
            let text = read_path_to_secret(&path, "/run/secrets/clickbank-acme")?;
            if secrets == Secrets::Skip {
                return None;
            }
            match file::read_secret(&directory.join(text), path.findings()) {
                Ok((secret, exposed)) => {
                    if exposed {
                        warn_of_readers(&path, text, directory);
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
            let name = variable.text_like("CLICKBANK_ACME")?;
            if has_secret(name) {
                variable.error(NOT_THE_SECRET, WHERE_SECRETS_ARE);
                return None;
            }
            if let Some(bare) = name.strip_prefix('$') {
                variable.error("begins with a `$`", format!("write the variable's name alone: \"{}\"", shown(bare)));
                return None;
            }
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
        (None, None) if reported => None,
        _ => {
            entry.error(
                "has to name one place where the secret is",
                "write either `{ file = \"/run/secrets/…\" }` or `{ env = \"…\" }`",
            );
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
            Some(other) => report_clash(&entry, &added, other),
            None if added.path.service().eq_ignore_ascii_case("debug") => entry.error(
                "is below /debug, which repeats the credential",
                "remove it; that part of ClickBank's API is never opened",
            ),
            None => endpoints.push(added),
        }
    }
    Catalogue::new(endpoints)
}

fn report_clash(entry: &Entry<'_>, added: &Endpoint, other: &Endpoint) {
    let built_in = if other.added { "" } else { "built-in " };
    let other_is = format!("the {built_in}endpoint `{}` ({} {API_PREFIX}{})", other.name, other.method, other.path);
    if other.method == added.method && other.path.overlaps(&added.path) {
        let mend = if other.added {
            "remove one of the two, or change its method or path"
        } else {
            "remove it, or change its method or path; what is built in cannot be redefined"
        };
        entry.error(format!("overlaps {other_is}"), mend);
    } else {
        entry.error(format!("has the id of {other_is}"), "give it an id of its own");
    }
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
            let service = format!("{name}.");
            let mend = match did_you_mean(name, names.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                // TOML takes a dot outside quotes for a table within a table.
                None if names.iter().any(|known| known.starts_with(&service)) => {
                    format!("write the endpoint's whole id in double quotes, such as \"{name}.list\"")
                }
                None => "`clickbank-gateway endpoints` lists the endpoints' ids".to_owned(),
            };
            entry.error(format!("there is no endpoint `{}`", shown(name)), mend);
            continue;
        };
        let Some(mut form) = entry.form() else { continue };
        for (parameter, entry) in form.rest() {
            if known.iter().any(|other| other.eq_ignore_ascii_case(parameter)) {
                entry.error(
                    "is a parameter that the endpoint has anyway",
                    format!(
                        "remove the line; the endpoint's own, spelled exactly so, are {}",
                        quoted(known.iter().map(String::as_str))
                    ),
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
