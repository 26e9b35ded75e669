//! `init`: writes a commented starting configuration.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::output;

const GATEWAY: &str = include_str!("../../config/gateway.toml");
const KEYS: &str = "\
# Keys of this gateway: digests and grants, never a key itself, so this file can be reviewed and kept in git.
# `clickbank-gateway key create NAME --grant orders_read=acme` adds one and shows its key once.
";

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  clickbank-gateway init\n  clickbank-gateway init /etc/clickbank-gateway")]
pub(crate) struct Init {
    /// The directory to write gateway.toml and keys.toml to; made if it is not there
    #[arg(default_value = "config", value_name = "DIRECTORY")]
    directory: PathBuf,
}

impl Init {
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        let gateway = self.directory.join("gateway.toml");
        let keys = self.directory.join("keys.toml");
        for file in [&gateway, &keys] {
            anyhow::ensure!(!file.exists(), "{} is there already, and nothing was written", file.display());
        }
        fs::create_dir_all(&self.directory)
            .with_context(|| format!("cannot make the directory {}", self.directory.display()))?;
        write_new(&keys, KEYS)?;
        write_new(&gateway, GATEWAY)?;
        output::print(&format!(
            "wrote {gateway} and {keys}\n\n\
             Next:\n  \
             1. in {gateway}, declare your nicknames and where your ClickBank keys are\n  \
             2. clickbank-gateway --config {gateway} key create my-app --grant orders_read=acme\n  \
             3. clickbank-gateway --config {gateway} check\n  \
             4. clickbank-gateway --config {gateway} serve\n",
            gateway = gateway.display(),
            keys = keys.display(),
        ))?;
        Ok(true)
    }
}

fn write_new(file: &Path, text: &str) -> anyhow::Result<()> {
    // Whatever the umask is: a file that everybody can write would be refused.
    let mut new = fs::OpenOptions::new();
    new.write(true).create_new(true).mode(0o644);
    let write = || new.open(file)?.write_all(text.as_bytes());
    write().with_context(|| format!("cannot write {}", file.display()))
}
