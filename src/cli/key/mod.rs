//! `key`: makes, lists, shows, changes and deletes keys.

use clap::Subcommand;

use super::Context;

mod arguments;
mod change;
mod create;
mod delete;
mod diff;
mod edit;
mod list;
mod regenerate;
mod show;
mod switch;

pub(super) use diff::unified;

/// `key …`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key and show it, once
    Create(create::Create),
    /// List the keys
    List,
    /// Show all about one key
    Show(show::Show),
    /// Change a key's name, grants, expiry or note
    Edit(edit::Edit),
    /// Give a key another text and show it, once; the one before counts on for a while
    Regenerate(regenerate::Regenerate),
    /// Switch a key on
    Activate(switch::Switch),
    /// Switch a key off, until it is activated again
    Deactivate(switch::Switch),
    /// Delete a key, for good
    Delete(delete::Delete),
}

impl KeyCommand {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<bool> {
        match self {
            Self::Create(create) => create.run(context),
            Self::List => list::list(context),
            Self::Show(show) => show.run(context),
            Self::Edit(edit) => edit.run(context),
            Self::Regenerate(regenerate) => regenerate.run(context),
            Self::Activate(switch) => switch.run(context, crate::keys::Status::Active),
            Self::Deactivate(switch) => switch.run(context, crate::keys::Status::Inactive),
            Self::Delete(delete) => delete.run(context),
        }
    }
}
