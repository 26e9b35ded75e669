//! `key delete`: takes a key out of the key file, for good.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;

use crate::config::Secrets;
use crate::domain::permission::Permission;

use super::super::Context;
use super::super::find;
use super::super::matrix::status;
use super::super::output;
use super::change::{Done, Field, Opened};

/// Arguments of `key delete`.
#[derive(Debug, Args)]
#[command(
    after_help = "Its name has to be typed to confirm, unless there is --yes. Deleting is final: no other key gets its id.\n\
                        To switch a key off for a while, deactivate it."
)]
pub(crate) struct Delete {
    /// The key's name or id
    name: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Delete {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<bool> {
        // Asked before the file is locked: people take their time.
        let wanted = if self.yes { self.name } else { self.confirmed(context)? };
        if wanted.is_empty() {
            output::complain("that is another name; nothing was deleted");
            return Ok(false);
        }
        let Opened { config, mut file } = Opened::new(context)?;
        let (keys, matrix) = (&config.snapshot.keys, &config.snapshot.policy.matrix);
        let (caller, key) = find::key(keys, &wanted)?;
        file.remove(key.name)?;
        let nothing = None::<&str>;
        let mut fields = vec![Field::new("status", Some(status(&key, Timestamp::now())), nothing, "gone")];
        for permission in Permission::ALL {
            let scope = matrix.grant(caller, permission);
            if !scope.is_empty() {
                let granted = super::show::granted(&scope, &config.snapshot.policy.nicknames);
                fields.push(Field::new(permission.as_str(), Some(granted), nothing, "gone"));
            }
        }
        let (name, id) = (key.name.as_str(), key.id.as_str());
        Done { verb: "deleted", name, id, is_new: false, fields, key: None, notes: Vec::new() }.write(
            &config,
            &file,
            context.output,
        )
    }

    /// The key's id once somebody has typed its name; empty if they typed something else.
    fn confirmed(&self, context: &Context) -> anyhow::Result<String> {
        let (config, _) = context.load(Secrets::Skip)?;
        let (_, key) = find::key(&config.snapshot.keys, &self.name)?;
        anyhow::ensure!(
            io::stdin().is_terminal(),
            "`{name}` was not deleted: there is no terminal on which to confirm it; add --yes",
            name = key.name
        );
        let mut error = io::stderr().lock();
        write!(
            error,
            "This deletes {} ({}, {}) for good: whoever calls with it is refused.\nType its name to confirm: ",
            key.name,
            key.id,
            status(&key, Timestamp::now())
        )
        .and_then(|()| error.flush())
        .context("cannot ask")?;
        let mut typed = String::new();
        io::stdin().read_line(&mut typed).context("cannot read the answer")?;
        Ok(if typed.trim() == key.name.as_str() { key.id.to_string() } else { String::new() })
    }
}
