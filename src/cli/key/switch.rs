//! `key activate` and `key deactivate`.

use clap::Args;
use jiff::Timestamp;

use crate::keys::Status;
use crate::keys::store::Change;

use super::super::Context;
use super::super::find;
use super::change::{Done, Field, Opened, nothing_to_do};

/// Arguments of `key activate` and `key deactivate`.
#[derive(Debug, Args)]
pub(crate) struct Switch {
    /// The key's name or id
    name: String,
}

impl Switch {
    pub(super) fn run(self, context: &Context, status: Status) -> anyhow::Result<bool> {
        let Opened { config, mut file } = Opened::new(context)?;
        let keys = &config.snapshot.keys;
        let (_, key) = find::key(keys, &self.name)?;
        let (name, id) = (key.name.as_str(), key.id.as_str());
        let (verb, word) = match status {
            Status::Active => ("activated", "is Active"),
            Status::Inactive => ("deactivated", "is Inactive"),
        };
        if key.status == status {
            return nothing_to_do(name, id, &config, word, context.output);
        }
        file.edit(key.name, &[Change::Status(status)])?;
        let now = Timestamp::now();
        let mut notes = Vec::new();
        match (status, key.overlap(now)) {
            (Status::Active, _) if key.is_expired(now) => {
                notes.push(format!(
                    "it has expired, so it does not count until `clickbank-gateway key edit {name} --expires …`"
                ));
            }
            (Status::Active, Some(until)) => {
                notes.push(format!("the text before, in its overlap, counts again too, until {until}"));
            }
            (Status::Inactive, Some(_)) => notes.push("the text before, in its overlap, is refused, too".to_owned()),
            _ => {}
        }
        let fields = vec![Field::new("status", Some(key.status.as_str()), Some(status.as_str()), "")];
        Done { verb, name, id, is_new: false, fields, key: None, notes }.write(&config, &file, context.output)
    }
}
