//! Reproducible chance: a hash of names, and a small generator fed by it.
//!
//! Everything that looks random in a world is a function of the seed and of the names of things (nickname, receipt),
//! never of the order in which they were made. Two worlds that hold the same receipt agree on its ids, its
//! customer and its times.

/// Hashes `parts` to 64 bits, the same on every platform (FNV-1a, then a finaliser). Not for secrets.
pub(crate) fn hash(parts: &[&str]) -> u64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    mix(state)
}

/// A splitmix64 generator.
pub(crate) struct Random(u64);

impl Random {
    /// A generator whose numbers depend on `parts` alone.
    pub(crate) fn from_names(parts: &[&str]) -> Self {
        Self(hash(parts))
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, or 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let wide = self.next() % u64::from(bound.max(1));
        u32::try_from(wide).unwrap_or_default()
    }

    /// One of `choices`.
    #[expect(clippy::indexing_slicing, reason = "the index is below N, and a choice among nothing does not compile")]
    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, choices: &[T; N]) -> T {
        const { assert!(N > 0, "a choice needs something to choose from") }
        let bound = u32::try_from(N).unwrap_or(u32::MAX);
        choices[self.below(bound) as usize]
    }

    /// `length` upper-case letters and digits.
    pub(crate) fn letters_and_digits(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        (0..length).map(|_| char::from(self.pick(ALPHABET))).collect()
    }
}

fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_names_give_the_same_numbers() {
        let mut one = Random::from_names(&["a", "b"]);
        let mut two = Random::from_names(&["a", "b"]);
        assert_eq!(one.letters_and_digits(36), two.letters_and_digits(36));
    }

    #[test]
    fn where_one_name_ends_matters() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }

    #[test]
    fn a_number_stays_below_its_bound() {
        let mut random = Random::from_names(&["bound"]);
        assert!((0..1000).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
    }
}
