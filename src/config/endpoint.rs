//! Endpoints as TOML: the built-in catalogue, and the `[[endpoint]]` tables that extend it.

use crate::domain::endpoint::{
    AnswerTypes, Changes, Endpoint, Method, Owner, OwnerField, Parameter, PathTemplate, PathValue, Rows, When,
};
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::target::API_PREFIX;

use super::form::{Entry, Form, shown};
use super::problem::{choices, quoted};

const OWNER_FORMS: &str = "write \"nowhere\", \"nobody\", \"document\", or a table such as `{ parameter = \"account\" }`, \
     `{ receipt = \"receipt\" }` or `{ ticket = \"id\" }`";

/// Reads one endpoint. `added` says that the configuration adds it, and is not the built-in catalogue.
pub(super) fn read(entry: &Entry<'_>, added: bool) -> Option<Endpoint> {
    let mut form = entry.form()?;
    let name = form.require("id", "give the endpoint a name for logs and output, such as `id = \"orders2.notes\"`");
    let method = form.require("method", "say `method = \"GET\"`, for example");
    let path =
        form.require("path", "say `path = \"/rest/1.3/…\"`, with `{receipt}`, `{id}` or `{sku}` where values stand");
    let permissions =
        form.require("permissions", "list what a caller needs, for example `permissions = [\"orders_read\"]`");
    let changes = form.take("changes");
    let owner = form.take("owner");
    let answers = form.take("answers");
    let rows = form.take("rows");
    let paged = form.take("paged");
    let parameters = form.take("parameters");
    let (refunds, cancels) = (form.take("refunds"), form.take("cancels"));
    form.finish();

    let name = name.and_then(|entry| read_name(&entry));
    let method_names = Method::ALL.map(Method::as_str);
    let method = method.and_then(|entry| entry.one_of(&method_names, Method::parse));
    let path_entry = path;
    let path = path_entry.as_ref().and_then(read_path);
    let permissions_entry = permissions;
    let permissions = permissions_entry.as_ref().and_then(read_permissions);
    let changes = changes.map_or(Some(Changes::Something), |entry| entry.one_of(&Changes::NAMES, Changes::parse));
    let answers_entry = answers;
    let answers = answers_entry
        .as_ref()
        .map_or(Some(AnswerTypes { json: true, xml: true, ..AnswerTypes::default() }), read_answers);
    if let (Some(entry), Some(answers)) = (&answers_entry, &answers)
        && method.is_some_and(|method| method != Method::Head)
        && !(answers.json || answers.xml || answers.text)
    {
        entry.error(
            "names no type that callers can ask for",
            "list \"json\", \"xml\" or \"text\", or leave `answers` out for JSON and XML; only HEAD has none",
        );
        return None;
    }
    let rows = rows.map_or(Some(None), |entry| read_rows(&entry).map(Some));
    let paged = paged.map_or(Some(false), |entry| entry.boolean());
    let parameters = parameters.map_or(Some(Vec::new()), |entry| read_parameters(&entry));

    let (path, parameters) = (path?, parameters?);
    let owner = owner.map_or(Some(Owner::Nowhere), |entry| read_owner(&entry, &path, &parameters));
    let (owner, permissions, changes) = (owner?, permissions?, changes?);
    let repeated = owner.deciding_parameters().filter_map(|position| parameters.get(position));
    if let Some(parameter) = repeated.into_iter().find(|parameter| parameter.repeats) {
        path_entry?.error(
            format!("`{}` decides whose data a call is about, so it must not stand several times", parameter.name),
            "remove `repeats = true` from that parameter",
        );
        return None;
    }
    let open = owner == Owner::Document || owner == Owner::Credential;
    if open != permissions.is_empty() {
        let (message, mend) = if open {
            ("is not empty, but an open document needs no permission", "write `permissions = []`, or another owner")
        } else {
            (
                "is empty, so anybody could call it",
                "list the permissions that ClickBank asks for, or say `owner = \"document\"` for an open document without data",
            )
        };
        permissions_entry?.error(message, mend);
        return None;
    }
    if owner == Owner::Document && changes != Changes::Nothing {
        path_entry?.error("an open document changes nothing", "add `changes = \"nothing\"`");
        return None;
    }
    let when = |entry: Option<Entry<'_>>, otherwise| {
        entry.map_or(Some(otherwise), |entry| read_when(&entry, changes, &parameters))
    };
    // What moves money in a way that nobody has told may well refund.
    let untold = if added && changes == Changes::Money { When::Always } else { When::Never };
    let (refunds, cancels) = (when(refunds, untold), when(cancels, When::Never));
    Some(Endpoint {
        name: name?,
        method: method?,
        path,
        permissions,
        changes,
        owner,
        answers: answers?,
        rows: rows?,
        parameters,
        paged: paged?,
        refunds: refunds?,
        cancels: cancels?,
        added,
    })
}

fn read_name(entry: &Entry<'_>) -> Option<String> {
    let text = entry.text()?;
    let valid = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if !valid {
        entry.error(
            format!("`{}` cannot be an endpoint's name", shown(text)),
            "use 1 to 64 letters, digits, `.`, `-` or `_`",
        );
    }
    valid.then(|| text.to_owned())
}

fn read_path(entry: &Entry<'_>) -> Option<PathTemplate> {
    let text = entry.text()?;
    let template = PathTemplate::parse(text.strip_prefix(API_PREFIX).unwrap_or(text));
    if template.is_none() {
        entry.error(
            format!("`{}` is not a path template", shown(text)),
            "write it as `/rest/1.3/service/{receipt}/word`: letters, digits, `-` and `_`, the first segment fixed",
        );
    }
    template
}

fn read_permissions(entry: &Entry<'_>) -> Option<PermissionSet> {
    let names = Permission::ALL.map(Permission::as_str);
    entry.list()?.iter().map(|entry| entry.one_of(&names, Permission::parse)).collect()
}

fn read_answers(entry: &Entry<'_>) -> Option<AnswerTypes> {
    let mut answers = AnswerTypes::default();
    for entry in entry.list()? {
        let field = entry.one_of(&["json", "xml", "text", "csv"], |name| match name {
            "json" => Some(&mut answers.json),
            "xml" => Some(&mut answers.xml),
            "text" => Some(&mut answers.text),
            "csv" => Some(&mut answers.csv),
            _ => None,
        })?;
        *field = true;
    }
    Some(answers)
}

fn read_parameters(entry: &Entry<'_>) -> Option<Vec<Parameter>> {
    let mut parameters: Vec<Parameter> = Vec::new();
    for entry in entry.list()? {
        let parameter = read_parameter(&entry)?;
        if parameters.iter().any(|other| other.name.eq_ignore_ascii_case(&parameter.name)) {
            entry.error(format!("`{}` is listed twice", parameter.name), "remove one of the two");
            return None;
        }
        parameters.push(parameter);
    }
    Some(parameters)
}

fn read_parameter(entry: &Entry<'_>) -> Option<Parameter> {
    if entry.if_text().is_some() {
        let name = read_parameter_name(entry)?;
        let [required, repeats, searches, prose, explicit] = [false; 5];
        return Some(Parameter { name, required, repeats, searches, prose, explicit, values: Vec::new() });
    }
    let mut form = entry.form()?;
    let name = form.require("name", "say `name = \"…\"`");
    let [required, repeats, searches, prose, explicit] = ["required", "repeats", "searches", "prose", "explicit"]
        .map(|flag| form.take(flag).map_or(Some(false), |entry| entry.boolean()));
    let values = form.take("values").map_or(Some(Vec::new()), |entry| read_texts(&entry));
    form.finish();
    Some(Parameter {
        name: read_parameter_name(&name?)?,
        required: required? || explicit?,
        repeats: repeats?,
        searches: searches?,
        prose: prose?,
        explicit: explicit?,
        values: values?,
    })
}

fn read_parameter_name(entry: &Entry<'_>) -> Option<String> {
    let text = entry.text()?;
    check_parameter_name(entry, text).then(|| text.to_owned())
}

/// Whether `name` can be a query parameter's, saying so at `entry` if it cannot.
pub(super) fn check_parameter_name(entry: &Entry<'_>, name: &str) -> bool {
    let valid = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if !valid {
        entry.error(
            format!("`{}` cannot be a parameter's name", shown(name)),
            "use 1 to 64 letters, digits, `.`, `-` or `_`; parameter names are not percent-encoded",
        );
    }
    valid
}

fn read_texts(entry: &Entry<'_>) -> Option<Vec<String>> {
    entry.list()?.iter().map(|entry| entry.text().map(str::to_owned)).collect()
}

/// Reads in which calls something happens.
fn read_when(entry: &Entry<'_>, changes: Changes, parameters: &[Parameter]) -> Option<When> {
    if changes == Changes::Nothing {
        entry.error("is said of an endpoint that changes nothing", "remove it, or correct `changes`");
        return None;
    }
    if entry.is_boolean() {
        return entry.boolean().map(|always| if always { When::Always } else { When::Never });
    }
    if !entry.is_list() {
        entry.error(
            "is neither true or false nor a list",
            "write `true`, `false`, or a list of PARAMETER=VALUE such as `[\"type=rfnd\"]`",
        );
        return None;
    }
    let mut values = Vec::new();
    for entry in entry.list()? {
        let text = entry.text()?;
        let found = text.split_once('=').and_then(|(name, value)| {
            let (position, parameter) = parameters.iter().enumerate().find(|(_, it)| it.name == name)?;
            (parameter.values.iter().any(|other| other == value) && !parameter.repeats)
                .then(|| (position, value.to_owned()))
        });
        let Some(found) = found else {
            entry.error(
                format!("`{}` is no parameter of this endpoint with one of its `values`", shown(text)),
                "name a parameter that does not repeat, and one of the values listed for it",
            );
            return None;
        };
        values.push(found);
    }
    Some(When::With(values))
}

fn read_owner(entry: &Entry<'_>, path: &PathTemplate, parameters: &[Parameter]) -> Option<Owner> {
    if let Some(word) = entry.if_text() {
        let owner = match word {
            "nowhere" => Some(Owner::Nowhere),
            "nobody" => Some(Owner::Nobody),
            "document" => Some(Owner::Document),
            "credential" => Some(Owner::Credential),
            _ => None,
        };
        if owner.is_none() {
            entry.error(format!("has no meaning as `{}`", shown(word)), OWNER_FORMS);
        }
        return owner;
    }
    let mut form = entry.form()?;
    let [parameter, filter, answer, receipt, ticket, tickets] =
        ["parameter", "filter", "answer", "receipt", "ticket", "tickets"].map(|field| form.take(field));
    let reported = form.finish();
    let named = |entry: &Entry<'_>| parameter_named(entry, parameters);
    match (parameter, filter, answer, receipt, ticket, tickets) {
        (Some(entry), None, None, None, None, None) => named(&entry).map(Owner::Parameter),
        (None, Some(filter), None, None, None, None) => read_filter(&filter, parameters),
        (None, None, Some(answer), receipt, None, None) => match (answer.text()?, receipt) {
            ("rows", None) => Some(Owner::AnswerRows),
            ("accounts", None) => Some(Owner::AnswerAccounts),
            ("list", Some(receipt)) => named(&receipt).map(Owner::AnswerList),
            _ => {
                answer.error(
                    "is not a known kind of answer",
                    "write `{ answer = \"rows\" }`, `{ answer = \"accounts\" }` or `{ answer = \"list\", receipt = \"…\" }`",
                );
                None
            }
        },
        (None, None, None, Some(entry), None, None) => variable(&entry, path, PathValue::Receipt).map(Owner::Receipt),
        (None, None, None, None, Some(entry), None) => variable(&entry, path, PathValue::TicketId).map(Owner::Ticket),
        (None, None, None, None, None, Some(entry)) => named(&entry).map(Owner::Tickets),
        _ if reported => None,
        _ => {
            entry.error("does not say in one way where the owner shows", OWNER_FORMS);
            None
        }
    }
}

fn read_filter(entry: &Entry<'_>, parameters: &[Parameter]) -> Option<Owner> {
    let position = |name| parameters.iter().position(|parameter| parameter.name == name);
    let owner = match entry.text()? {
        "account" => position("account").map(Owner::AccountFilter),
        "orders" => position("vendor")
            .zip(position("affiliate"))
            .zip(position("role"))
            .map(|((vendor, affiliate), role)| Owner::OrderFilters { vendor, affiliate, role }),
        _ => None,
    };
    if owner.is_none() {
        entry.error(
            "is not a filter of this endpoint",
            "write \"account\" where `account` is a parameter, or \"orders\" where `vendor`, `affiliate` and `role` are",
        );
    }
    owner
}

fn parameter_named(entry: &Entry<'_>, parameters: &[Parameter]) -> Option<usize> {
    let name = entry.text()?;
    let position = parameters.iter().position(|parameter| parameter.name == name);
    if position.is_none() {
        let names = parameters.iter().map(|parameter| parameter.name.as_str());
        entry.error(format!("`{}` is not among the parameters", shown(name)), choices(name, names));
    }
    position
}

fn variable(entry: &Entry<'_>, path: &PathTemplate, value: PathValue) -> Option<usize> {
    let name = entry.text()?;
    let position = path.variables().position(|(other, kind)| other == name && kind == value);
    if position.is_none() {
        let names = path.variables().filter(|(_, kind)| *kind == value).map(|(name, _)| name);
        let names: Vec<&str> = names.collect();
        let kind = if value == PathValue::Receipt { "receipt" } else { "id" };
        let mend = if names.is_empty() {
            format!("the path needs a segment `{{{kind}}}`, which is then called \"{kind}\" here")
        } else {
            format!("use {}", quoted(names))
        };
        entry.error(format!("`{}` is not such a variable of the path", shown(name)), mend);
    }
    position
}

fn read_rows(entry: &Entry<'_>) -> Option<Rows> {
    let mut form = entry.form()?;
    let at = form.require("at", "say where the rows stand, for example `at = \"orderData\"`");
    let owner = form.take("owner");
    let role = form.take("role");
    let receipt = form.take("receipt");
    let counterparty = form.take("counterparty");
    let totals = form.take("totals");
    form.finish();
    let text =
        |entry: Option<Entry<'_>>| entry.map_or(Some(None), |entry| entry.text().map(|text| Some(text.to_owned())));
    let texts = |entry: Option<Entry<'_>>| entry.map_or(Some(Vec::new()), |entry| read_texts(&entry));
    Some(Rows {
        at: at?.text()?.to_owned(),
        owner: owner.map_or(Some(None), |entry| read_owner_field(&entry).map(Some))?,
        role: text(role)?,
        receipt: text(receipt)?,
        counterparty: texts(counterparty)?,
        totals: texts(totals)?,
    })
}

fn read_owner_field(entry: &Entry<'_>) -> Option<OwnerField> {
    if let Some(field) = entry.if_text() {
        return Some(OwnerField::Field(field.to_owned()));
    }
    let mut form: Form<'_> = entry.form()?;
    let mend = "name the field for each role: `{ VENDOR = \"…\", AFFILIATE = \"…\" }`";
    let vendor = form.require("VENDOR", mend);
    let affiliate = form.require("AFFILIATE", mend);
    form.finish();
    Some(OwnerField::ByRole { vendor: vendor?.text()?.to_owned(), affiliate: affiliate?.text()?.to_owned() })
}
