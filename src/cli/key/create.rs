//! `key create`: makes a key, or takes over one that was made elsewhere.

use clap::Args;
use jiff::Timestamp;

use crate::domain::secret::{KeyDigest, has_secret};
use crate::keys::store::NewKey;
use crate::keys::{Keys, Status, issue};

use super::super::Context;
use super::arguments::{self, Expiry, to_second};
use super::change::{Done, Field, Opened};

/// Arguments of `key create`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  clickbank-gateway key create billing --grant orders_read=acme,acmeaff --grant analytics=all\n  \
                        clickbank-gateway key create importer --grant products=acme --expires-in 365d\n  \
                        clickbank-gateway key create support --grant orders_write=acme --cap refunds_per_hour=20 --cap \
                        refunded_usd_per_hour=500\n\n\
                        Permissions: analytics, products, orders_read, orders_write (includes orders_read), subscription_modification.\n\
                        Caps: refunds_per_hour, refunded_usd_per_hour, cancellations_per_hour, changes_per_hour.\n\
                        The key goes to standard output, once; all else that is said goes to standard error. Only its digest is stored."
)]
pub(crate) struct Create {
    /// What to call it: letters, digits, `.`, `-` and `_`
    name: String,
    /// What it may do, on which nicknames: PERMISSION=NICKNAME[,NICKNAME…] or PERMISSION=all
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<String>,
    #[arg(
        long = "cap",
        value_name = "CAP",
        help = "How much may be changed with it in any hour: CAP=LIMIT, such as refunds_per_hour=10"
    )]
    caps: Vec<String>,
    #[command(flatten)]
    expiry: Expiry,
    /// A line about it, such as whose it is
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Switched off, until it is activated
    #[arg(long)]
    inactive: bool,
    /// Take over a key that this program made elsewhere, by its digest: sha256: and 64 hexadecimal digits
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
}

impl Create {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<bool> {
        let now = to_second(Timestamp::now());
        let name = arguments::name(&self.name, "created")?;
        let grants = arguments::grants(&self.grants)?;
        let caps = arguments::caps(&self.caps)?;
        let expires = self.expiry.read(now)?;
        let note = self.note.as_deref().map(arguments::note).transpose()?;
        let imported = self.digest.as_deref().map(read_digest).transpose()?;
        let Opened { config, mut file } = Opened::new(context)?;
        let keys = &config.snapshot.keys;
        arguments::check_grants(&grants, &config.snapshot.policy.nicknames)?;
        let issued = if imported.is_none() { Some(issue::new_key()?) } else { None };
        let digest = match (imported, &issued) {
            (Some(digest), _) => digest,
            (None, Some(issued)) => issued.digest(),
            (None, None) => anyhow::bail!("there is neither a key nor a digest"),
        };
        if let Some(holder) = keys.holder(&digest).and_then(|caller| keys.of(caller)) {
            anyhow::bail!("`{name}` was not created: that is a digest of `{}` already", holder.name);
        }
        let id = unused_id(keys)?;
        let status = if self.inactive { Status::Inactive } else { Status::Active };
        file.add(&NewKey { id: &id, name, status, created: now, expires, note, digest, grants: &grants, caps: &caps })?;
        let nothing = None::<&str>;
        let mut fields = vec![
            Field::new("status", nothing, Some(status.as_str()), ""),
            Field::new("expires", nothing, expires, "never"),
        ];
        fields.extend(note.map(|note| Field::new("note", nothing, Some(note.as_str()), "")));
        fields.extend(grants.iter().map(|(permission, to)| Field::new(permission.as_str(), nothing, Some(to), "")));
        fields.extend(caps.iter().map(|cap| Field::new(cap.kind.as_str(), nothing, Some(cap.limit_text()), "")));
        let mut notes = Vec::new();
        if grants.is_empty() {
            notes.push("it may do nothing yet, since no --grant was given".to_owned());
        }
        if self.inactive {
            notes.push(format!("it is Inactive until `clickbank-gateway key activate {name}`"));
        }
        let (name, key) = (name.as_str(), issued.as_ref());
        Done { verb: "created", name, id: &id, is_new: true, fields, key, notes }.write(&config, &file, context.output)
    }
}

/// An id that no key has.
fn unused_id(keys: &Keys) -> anyhow::Result<String> {
    loop {
        let id = issue::new_id()?;
        if keys.find(&id).is_none() {
            return Ok(id);
        }
    }
}

fn read_digest(text: &str) -> anyhow::Result<KeyDigest> {
    // The text may well be a key, so it is not repeated.
    anyhow::ensure!(
        !has_secret(text),
        "that is a key itself, not its digest, and has been exposed; leave --digest out, and a new one is made"
    );
    KeyDigest::parse(text)
        .ok_or_else(|| anyhow::anyhow!("a digest is written as `sha256:` and 64 hexadecimal digits in lower case"))
}
