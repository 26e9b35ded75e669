//! `endpoints`: what the gateway knows of ClickBank's API.

use clap::Args;
use serde::Serialize;

use crate::config::{Secrets, built_in_endpoints};
use crate::domain::catalogue::Catalogue;
use crate::domain::decision::behind_a_wide_credential;
use crate::domain::endpoint::Endpoint;
use crate::domain::permission::Permission;
use crate::domain::target::API_PREFIX;

use super::find;
use super::output::{self, OutputFormat, Style, Table, styled};
use super::{Context, explain};

/// Arguments of `endpoints`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  clickbank-gateway endpoints\n  clickbank-gateway endpoints orders2.list\n\n\
                        Without a configuration, lists what is built in.")]
pub(crate) struct Endpoints {
    /// Show one endpoint with its parameters
    id: Option<String>,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    method: &'static str,
    path: String,
    permissions: Vec<&'static str>,
    owner_shows_in: &'static str,
    behind_a_wide_credential: &'static str,
    changes: &'static str,
    paged: bool,
    added_by_configuration: bool,
    parameters: Vec<ShownParameter<'a>>,
}

#[derive(Serialize)]
struct ShownParameter<'a> {
    name: &'a str,
    required: bool,
    repeats: bool,
    searches_customers: bool,
    values: &'a [String],
}

impl<'a> Shown<'a> {
    fn of(endpoint: &'a Endpoint) -> Self {
        Self {
            id: &endpoint.name,
            method: endpoint.method.as_str(),
            path: format!("{API_PREFIX}{}", endpoint.path),
            permissions: endpoint.permissions.iter().map(Permission::as_str).collect(),
            owner_shows_in: endpoint.owner.description(),
            behind_a_wide_credential: behind_a_wide_credential(endpoint),
            changes: endpoint.changes.as_str(),
            paged: endpoint.paged,
            added_by_configuration: endpoint.added,
            parameters: endpoint
                .parameters
                .iter()
                .map(|parameter| ShownParameter {
                    name: &parameter.name,
                    required: parameter.required,
                    repeats: parameter.repeats,
                    searches_customers: parameter.searches,
                    values: &parameter.values,
                })
                .collect(),
        }
    }
}

impl Endpoints {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let catalogue = match context.config_file() {
            Ok(_) => context.load(Secrets::Skip)?.0.snapshot.policy.catalogue,
            Err(error) if context.config.is_some() => return Err(error),
            Err(_) => {
                let built_in = built_in_endpoints()
                    .map_err(|findings| anyhow::anyhow!(explain("catalogue.toml".as_ref(), &findings)))?;
                Catalogue::new(built_in)
            }
        };
        match self.id {
            None => list(&catalogue, context.output)?,
            Some(id) => show(find::endpoint(&catalogue, &id)?, context.output)?,
        }
        Ok(true)
    }
}

fn list(catalogue: &Catalogue, format: OutputFormat) -> anyhow::Result<()> {
    if format == OutputFormat::Json {
        return output::print_json(&catalogue.iter().map(|(_, endpoint)| Shown::of(endpoint)).collect::<Vec<_>>());
    }
    let mut table = Table::new(["ID", "METHOD", "PATH", "PERMISSION", "CHANGES", "OWNER SHOWS IN"]);
    for (_, endpoint) in catalogue.iter() {
        let permissions = endpoint.permissions.iter().map(Permission::as_str).collect::<Vec<_>>();
        table.row([
            endpoint.name.clone(),
            endpoint.method.to_string(),
            format!("{API_PREFIX}{}", endpoint.path),
            if permissions.is_empty() { "-".to_owned() } else { permissions.join(" + ") },
            if endpoint.changes.as_str() == "nothing" { "-".to_owned() } else { endpoint.changes.as_str().to_owned() },
            endpoint.owner.description().to_owned(),
        ]);
    }
    output::print(&table.render(output::colour()))?;
    Ok(())
}

fn show(endpoint: &Endpoint, format: OutputFormat) -> anyhow::Result<()> {
    if format == OutputFormat::Json {
        return output::print_json(&Shown::of(endpoint));
    }
    let colour = output::colour();
    let boxes = endpoint.permissions.iter().map(Permission::clickbank_name).collect::<Vec<_>>();
    let mut text = format!(
        "{}\n{} {API_PREFIX}{}\n\npermission      {}\nchanges         {}\nowner shows in  {}\nwide credential {}\npages           {}\n",
        styled(&endpoint.name, Style::Bold, colour),
        endpoint.method,
        endpoint.path,
        if boxes.is_empty() { "none".to_owned() } else { boxes.join(" and ") },
        endpoint.changes.as_str(),
        endpoint.owner.description(),
        behind_a_wide_credential(endpoint),
        if endpoint.paged { "by the Page header" } else { "no" },
    );
    if endpoint.parameters.is_empty() {
        text.push_str("parameters      none\n");
    }
    output::print(&text)?;
    if !endpoint.parameters.is_empty() {
        let mut table = Table::new(["PARAMETER", "REQUIRED", "REPEATS", "SEARCHES CUSTOMERS", "VALUES"]);
        let yes = |flag| if flag { "yes".to_owned() } else { "-".to_owned() };
        for parameter in &endpoint.parameters {
            let values = if parameter.values.is_empty() { "any".to_owned() } else { parameter.values.join(" ") };
            table.row([
                parameter.name.clone(),
                yes(parameter.required),
                yes(parameter.repeats),
                yes(parameter.searches),
                values,
            ]);
        }
        output::print(&format!("\n{}", table.render(colour)))?;
    }
    Ok(())
}
