//! The key file, open for a change; writing it; and telling what changed.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use crate::config::{self, Config, Secrets};
use crate::domain::secret::{IssuedKey, without_secrets};
use crate::keys::store::KeyFile;

use super::super::output::{self, OutputFormat, Style, Table, styled};
use super::super::{Context, explain};
use super::diff::unified;

/// When a change is in force.
pub(super) const IN_FORCE: &str = "A running gateway takes it over by itself.";

/// The configuration with what stands in the key file, and the key file, locked.
pub(super) struct Opened {
    pub(super) config: Config,
    pub(super) file: KeyFile,
}

impl Opened {
    /// Opens the key file of the configuration. Both have to be without mistakes, so that what is written is sure to be
    /// what was meant.
    pub(super) fn new(context: &Context) -> anyhow::Result<Self> {
        let gateway = context.config_file()?;
        // Locked before it is read, so that no other command changes it in between.
        let opened = config::keys_file(&gateway).map(|keys_file| KeyFile::open(&keys_file));
        let (config, _) = context.load(Secrets::Skip)?;
        let file = opened.context("the configuration was changed in the meantime; try again")??;
        Ok(Self { config, file })
    }
}

/// One field before and after.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Field {
    #[serde(rename = "field")]
    name: &'static str,
    before: Option<String>,
    after: Option<String>,
    #[serde(skip)]
    absent: &'static str,
}

impl Field {
    /// A field that changes; `absent` is what its absence means.
    pub(super) fn new(
        name: &'static str,
        before: Option<impl ToString>,
        after: Option<impl ToString>,
        absent: &'static str,
    ) -> Self {
        let text = |value: Option<String>| value.filter(|value| !value.is_empty());
        Self {
            name,
            before: text(before.map(|value| value.to_string())),
            after: text(after.map(|value| value.to_string())),
            absent,
        }
    }
}

/// What a command did to a key.
pub(super) struct Done<'a> {
    /// In the past tense.
    pub(super) verb: &'static str,
    pub(super) name: &'a str,
    pub(super) id: &'a str,
    /// Whether there was a key before, whose fields had other values.
    pub(super) is_new: bool,
    pub(super) fields: Vec<Field>,
    /// A text that is shown once.
    pub(super) key: Option<&'a IssuedKey>,
    pub(super) notes: Vec<String>,
}

#[derive(Serialize)]
struct Report<'a> {
    name: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    keys_file: PathBuf,
    written: bool,
    changes: &'a [Field],
    #[serde(skip_serializing_if = "Option::is_none")]
    edit: Option<&'a str>,
}

impl Done<'_> {
    /// Checks the whole file as it would be, writes it, and tells what changed. Where it cannot be written, shows the edit
    /// to make elsewhere, and that is an error.
    pub(super) fn write(&self, config: &Config, file: &KeyFile, format: OutputFormat) -> anyhow::Result<bool> {
        let Self { name, .. } = self;
        config::check_keys(&config.keys_file, file.text(), &config.snapshot.policy.nicknames).map_err(|findings| {
            anyhow::anyhow!("`{name}` was not {}\n{}", self.verb, explain(&config.keys_file, &findings))
        })?;
        let edit = match file.save() {
            Ok(()) => None,
            Err(error) if error.is_read_only() => {
                // Comments are people's, and they put keys where none belong.
                let path = config.keys_file.display().to_string();
                Some((without_secrets(&unified(&path, file.original(), file.text())), error))
            }
            Err(error) => return Err(error.into()),
        };
        let shown = self.print(config, edit.as_ref().map(|(edit, _)| edit.as_str()), format);
        for note in &self.notes {
            output::complain(&format!("note: {note}"));
        }
        shown.with_context(|| match (&edit, self.is_new) {
            _ if self.key.is_none() => "what was changed could not be shown".to_owned(),
            (Some(_), _) => "the key could not be shown, and nothing was changed".to_owned(),
            (None, true) => {
                format!("{name} was created, but its key could not be shown; delete it and create another")
            }
            (None, false) => format!("{name} was regenerated, but its key could not be shown; regenerate it again"),
        })?;
        let Some((_, error)) = edit else { return Ok(true) };
        let key = if self.key.is_some() { "; the key there counts when that is done" } else { "" };
        Err(anyhow::anyhow!(
            "{:#}\n  make the edit on standard output where the file is kept, such as a checkout, and deploy it from there{key}",
            anyhow::Error::new(error)
        ))
    }

    fn print(&self, config: &Config, edit: Option<&str>, format: OutputFormat) -> anyhow::Result<()> {
        if format == OutputFormat::Json {
            return output::print_json_whole(&Report {
                name: self.name,
                id: self.id,
                key: self.key.map(IssuedKey::expose_once),
                keys_file: config.keys_file.clone(),
                written: edit.is_none(),
                changes: &self.fields,
                edit,
            });
        }
        let (colour, file) = (output::colour(), config.keys_file.display());
        let Some(key) = self.key else {
            output::print_whole(&match edit {
                Some(edit) => edit.to_owned(),
                None => self.summary(&file.to_string(), colour),
            })?;
            return Ok(());
        };
        if edit.is_none() {
            output::complain(self.summary(&file.to_string(), false).trim_end());
            output::complain("This is the only time that the key is shown:");
        }
        let mut text = format!("{}\n", styled(key.expose_once(), Style::Good, colour));
        if let Some(edit) = edit {
            text.push_str(&format!("\n{edit}"));
        }
        output::print_whole(&text)?;
        Ok(())
    }

    /// What changed, as people read it.
    fn summary(&self, file: &str, colour: bool) -> String {
        let name = styled(self.name, Style::Bold, colour);
        let mut text = format!("{} {name} ({}) in {file}\n", self.verb, self.id);
        let mut table = Table::without_heading();
        for Field { name, before, after, absent } in &self.fields {
            let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| (*absent).to_owned());
            let field = format!("  {name}");
            if self.is_new {
                table.row([field, shown(after)]);
            } else {
                table.row([field, shown(before), "\u{2192}".to_owned(), shown(after)]);
            }
        }
        text.push_str(&table.render(false));
        text.push_str(IN_FORCE);
        text.push('\n');
        text
    }
}

/// Says that a key is as it was wanted already.
pub(super) fn nothing_to_do(
    name: &str,
    id: &str,
    config: &Config,
    so: &str,
    format: OutputFormat,
) -> anyhow::Result<bool> {
    if format == OutputFormat::Json {
        let keys_file = config.keys_file.clone();
        output::print_json(&Report { name, id, key: None, keys_file, written: false, changes: &[], edit: None })?;
    } else {
        output::print(&format!("{name} {so} already; nothing was written\n"))?;
    }
    Ok(true)
}
