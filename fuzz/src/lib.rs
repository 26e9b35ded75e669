//! The oracles of `tests/it/properties`, by name, for the fuzz targets.

#[path = "../../tests/it/properties/oracles/mod.rs"]
mod oracles;

/// Tries one oracle.
///
/// # Panics
/// When the bytes break it, or there is no such oracle.
pub fn check(oracle: &str, bytes: &[u8]) {
    let (_, check) = oracles::ALL.iter().find(|(name, _)| *name == oracle).expect("an oracle of this name");
    check(bytes);
}
