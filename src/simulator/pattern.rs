//! The `%` wildcard of ClickBank's filters.

/// Whether `text` matches `pattern`, in which every `%` stands for any text, without regard to letter case.
///
/// ClickBank documents `%` for `vendor`, `affiliate`, `email`, `lastName`, `postalCode` and for `receipt` of tickets.
/// That letter case does not matter is a guess.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let pattern = pattern.to_lowercase();
    let text = text.to_lowercase();
    let Some((first, rest)) = pattern.split_once('%') else {
        return pattern == text;
    };
    let Some(mut remaining) = text.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest.rsplit_once('%').unwrap_or(("", rest));
    for part in middle.split('%') {
        let Some((_, after)) = remaining.split_once(part) else {
            return false;
        };
        remaining = after;
    }
    remaining.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("acme", "ACME", true),
            ("acme", "acmeaff", false),
            ("acme%", "acmeaff", true),
            ("%aff", "acmeaff", true),
            ("a%e%f", "acmeaff", true),
            ("a%x%f", "acmeaff", false),
            ("%", "", true),
            ("%%", "anything", true),
            ("ab%ba", "aba", false),
            ("", "acme", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} against {text}");
        }
    }
}
