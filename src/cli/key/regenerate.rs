//! `key regenerate`: gives a key another text. The one before counts on for a while, so that callers can change over
//! without a gap.

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;

use crate::keys::store::Change;
use crate::keys::{Key, Previous, Status, issue};

use super::super::Context;
use super::super::find;
use super::arguments::{later, to_second};
use super::change::{Done, Field, Opened};

/// For how long the text before counts, unless something else is said.
const OVERLAP: &str = "24h";

/// Arguments of `key regenerate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  clickbank-gateway key regenerate billing                  # both count for a day\n  \
                        clickbank-gateway key regenerate billing --overlap 7d\n  \
                        clickbank-gateway key regenerate billing --now            # the old one leaked\n\n\
                        The overlap ends at the latest when the key expires. Regenerating a second time during an overlap\n\
                        begins another one for the text that was current; the one before that stops counting at once."
)]
pub(crate) struct Regenerate {
    /// The key's name or id
    name: String,
    /// For how long the text before counts on beside the new one [default: 24h]
    #[arg(long, value_name = "DURATION", conflicts_with = "now")]
    overlap: Option<String>,
    /// Revoke the text before at once, and one whose overlap is not over, too: for a key that leaked
    #[arg(long)]
    now: bool,
}

impl Regenerate {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let now = to_second(Timestamp::now());
        let asked = later(now, self.overlap.as_deref().unwrap_or(OVERLAP))
            .context("the overlap would end too far in the future")??;
        let Opened { config, mut file } = Opened::new(context)?;
        let keys = &config.snapshot.keys;
        let (_, key) = find::key(keys, &self.name)?;
        let issued = issue::new_key()?;
        let mut notes = Vec::new();
        let until = self.until(&key, asked, now, &mut notes);
        let previous = until.map(|until| Previous { digest: key.digest, until });
        file.edit(key.name, &[Change::Regenerated(now), Change::Digest(issued.digest()), Change::Previous(previous)])?;
        let before = key.overlap(now);
        if let Some(before) = before {
            notes.push(format!(
                "another overlap was under way; the text that would have counted until {before} is refused, too"
            ));
        }
        match until {
            Some(until) => {
                notes.insert(0, format!("the text before counts until {until}; change its callers over by then"));
            }
            None => notes.insert(0, "the text before is refused, with no overlap".to_owned()),
        }
        let mut fields = vec![Field::new("regenerated", key.regenerated, Some(now), "never")];
        fields.extend((before != until).then(|| Field::new("previous.until", before, until, "none")));
        let (name, id) = (key.name.as_str(), key.id.as_str());
        Done { verb: "regenerated", name, id, is_new: false, fields, key: Some(&issued), notes }.write(
            &config,
            &file,
            context.output,
        )
    }

    /// Until when the text counts on that is current now.
    fn until(&self, key: &Key<'_>, asked: Timestamp, now: Timestamp, notes: &mut Vec<String>) -> Option<Timestamp> {
        let name = key.name;
        if key.is_expired(now) {
            notes.push(format!(
                "{name} has expired, so no text of it counts until `clickbank-gateway key edit {name} --expires …`"
            ));
        } else if key.status == Status::Inactive {
            notes.push(format!(
                "{name} is Inactive, so the new key does not count until `clickbank-gateway key activate {name}`"
            ));
        }
        if self.now || asked <= now || key.is_expired(now) {
            return None;
        }
        if key.status == Status::Inactive && self.overlap.is_none() {
            // Nobody calls with it, and it may have been switched off because it leaked.
            notes.push("the text before does not come back when it is activated; with --overlap it would".to_owned());
            return None;
        }
        let until = key.expires.map_or(asked, |expires| expires.min(asked));
        if until < asked {
            notes.push("the overlap ends with the key, which expires before".to_owned());
        }
        Some(until)
    }
}
