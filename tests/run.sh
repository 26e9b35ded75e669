#!/usr/bin/env bash
# Every check there is: format, lints, tests, documentation, licences. Installs what it needs and the machine lacks.
#
# Usage: bash tests/run.sh
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

# Real clients that the tests run, by the name of their Debian package.
missing=()
for program in curl python3; do
    command -v "$program" >/dev/null || missing+=("$program")
done
command -v node >/dev/null || missing+=(nodejs)
command -v cc >/dev/null || missing+=(gcc libc6-dev)
if [ "${#missing[@]}" -gt 0 ]; then
    say "installing ${missing[*]}"
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "these tests need: ${missing[*]}; install them and run this again" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

say "format"
cargo fmt --all --check
# A workspace of its own, of which nothing else is run here: its oracles are among the tests.
cargo fmt --manifest-path fuzz/Cargo.toml --check

say "lints"
cargo clippy --locked --all-targets --all-features -- -D warnings

say "tests"
cargo test --locked --all-features

say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

say "licences, bans, sources"
deny_version=0.20.2
deny_root="${CARGO_TARGET_DIR:-target}/tools"
deny=$(command -v cargo-deny || echo "$deny_root/bin/cargo-deny")
if ! "$deny" --version 2>/dev/null | grep -q "$deny_version"; then
    cargo install --quiet --locked --version "$deny_version" --root "$deny_root" cargo-deny
    deny="$deny_root/bin/cargo-deny"
fi
"$deny" --locked check --hide-inclusion-graph licenses bans sources

say "all checks passed"
