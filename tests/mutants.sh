#!/usr/bin/env bash
# Mutation tests of everything that decides about a call (.cargo/mutants.toml says what). Takes hours, so it is no part of
# tests/run.sh, can be done in shards, and goes on where it was left when it is run again.
#
# Usage: bash tests/mutants.sh [SHARD/SHARDS] [more arguments of cargo mutants, such as --file src/domain/decision.rs]
#
# What is missed stands in target/mutants/SHARD/mutants.out/missed.txt. Each is a test that is missing, or code that could
# go.
set -euo pipefail
cd "$(dirname "$0")/.."

version=27.1.0
shard=0/1
case "${1:-}" in [0-9]*/[0-9]*) shard=$1; shift ;; esac

root="${CARGO_TARGET_DIR:-target}"
mutants=$(command -v cargo-mutants || echo "$root/tools/bin/cargo-mutants")
if ! "$mutants" mutants --version 2>/dev/null | grep -q "$version"; then
    cargo install --quiet --locked --version "$version" --root "$root/tools" cargo-mutants
    mutants="$root/tools/bin/cargo-mutants"
fi

# The tree is copied once and mutated there. Nothing of it is debugged, so that each mutant is built in half the time.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
mkdir -p "$root/mutants/${shard//\//-of-}"
exec "$mutants" mutants --iterate --shard "$shard" --sharding round-robin --output "$root/mutants/${shard//\//-of-}" \
    --colors never "$@" -- --lib --test it -- \
    domain:: stage:: known:: call_reading decisions naive_evaluator promise answers_pass_unchanged behind_wide crafted_answers \
    rows_against json_rows xml_rows answers_that_are_not example_configurations
