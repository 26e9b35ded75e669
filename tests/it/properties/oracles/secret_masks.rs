//! Masking: no key survives it, wherever it stands, and what is masked stays as it is.

use clickbank_gateway::domain::secret::{has_secret, without_secrets};

/// Keys as they are issued, by their prefix and what must not show.
const PLANTED: [(&str, &str); 3] = [
    ("cbgw_", "Qm3xT7bW9kR2pL5vN8cZ1dF4gH6jS0aYuEiO"),
    ("API-", "W0XQ7K2M9V4C8B1N6Z3L5J7H2G4F6D8S0AQE"),
    ("DEV-", "Z9Y8X7W6V5U4T3S2"),
];

/// Any text; the planted keys go where a `\x01`, `\x02` or `\x03` stands in it, or else to its end.
pub(crate) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    if PLANTED.iter().any(|(_, rest)| text.contains(rest)) {
        // Without its prefix, nothing tells it from another word.
        return;
    }
    let mut planted = text.clone();
    for (mark, (prefix, rest)) in "\u{1}\u{2}\u{3}".chars().zip(PLANTED) {
        planted = planted.replace(mark, &format!("{prefix}{rest}"));
    }
    if planted == text {
        planted.push_str(PLANTED[0].0);
        planted.push_str(PLANTED[0].1);
    }
    for text in [&text, &planted] {
        let masked = without_secrets(text);
        for (_, rest) in PLANTED {
            assert!(!masked.contains(rest), "{text:?} is shown as {masked:?}");
        }
        for (prefix, _) in PLANTED {
            for (at, _) in masked.match_indices(prefix) {
                let rest = &masked[at + prefix.len()..];
                let length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
                assert!(length < 8, "{text:?} is shown as {masked:?}");
            }
        }
        assert_eq!(without_secrets(&masked), masked, "{text:?}");
        assert_eq!(has_secret(text), masked != *text, "{text:?}");
        assert!(!has_secret(&masked), "{text:?} is shown as {masked:?}");
    }
}
