//! Names, and what could be taken for them.

/// A name of the catalogue's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'r> {
    whole: &'r str,
    local: &'r str,
}

impl<'r> Known<'r> {
    pub(super) fn new(name: &'r str) -> Self {
        Self { whole: name, local: local(name) }
    }
}

/// A name in an answer.
pub(super) struct Name<'n> {
    whole: &'n str,
    /// Without its prefix, which is known to XML only.
    local: Option<&'n str>,
    is_ascii: bool,
}

impl<'n> Name<'n> {
    /// A key.
    pub(super) fn json(name: &'n str) -> Self {
        Self { whole: name, local: None, is_ascii: name.is_ascii() }
    }

    /// An element's.
    pub(super) fn xml(name: &'n str) -> Self {
        Self { whole: name, local: Some(local(name)), is_ascii: name.is_ascii() }
    }

    pub(super) fn is(&self, known: &Known<'_>) -> bool {
        self.whole == known.whole
    }

    /// Whether the names differ in the case of letters, or in a prefix, at most. Readers that disregard case do so beyond
    /// ASCII, too: the Kelvin sign is a `k` to them.
    pub(super) fn looks_like(&self, known: &Known<'_>) -> bool {
        let (known, name) = self.local.map_or((known.whole, self.whole), |local| (known.local, local));
        if self.is_ascii && known.is_ascii() {
            return name.eq_ignore_ascii_case(known);
        }
        folded(name).eq(folded(known))
    }
}

fn local(name: &str) -> &str {
    let colon = name.bytes().rposition(|byte| byte == b':');
    colon.and_then(|colon| name.get(colon + 1..)).unwrap_or(name)
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}
