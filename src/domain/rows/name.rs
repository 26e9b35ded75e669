//! Names, and what could be taken for them.

/// A name of the catalogue's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'r> {
    whole: &'r str,
    is_plain: bool,
}

impl<'r> Known<'r> {
    pub(super) fn new(name: &'r str) -> Self {
        Self { whole: name, is_plain: is_plain(name) }
    }
}

/// A name in an answer: a key, or an element's.
pub(super) struct Name<'n> {
    whole: &'n str,
    is_plain: bool,
}

impl<'n> Name<'n> {
    pub(super) fn new(name: &'n str) -> Self {
        Self { whole: name, is_plain: is_plain(name) }
    }

    pub(super) fn is(&self, known: &Known<'_>) -> bool {
        self.whole == known.whole
    }

    /// Whether the names differ in the case of letters, in a prefix, or in what is neither letter nor digit, at most. There
    /// are readers to whom `@vendor`, `cb:vendor` and `VENDOR` are one. Those that disregard case do so beyond ASCII, too:
    /// the Kelvin sign is a `k` to them.
    pub(super) fn looks_like(&self, known: &Known<'_>) -> bool {
        if self.is_plain && known.is_plain {
            return self.whole.eq_ignore_ascii_case(known.whole);
        }
        folded(self.whole).eq(folded(known.whole))
    }
}

/// Whether it consists of letters and digits of ASCII.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    let local = name.rsplit_once(':').map_or(name, |(_, local)| local);
    let cased = local.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    cased.filter(|character| character.is_alphanumeric())
}
