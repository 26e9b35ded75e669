//! The search for a secret in a text, in every spelling in which a careless or malicious sender could repeat it.
//!
//! The text is read once, as a stream: in lower case and without white space, so that neither case nor line breaks make
//! a difference. Where something in it is escaped, what it stands for is a second stream beside the first, and so on,
//! three layers deep. All streams are searched for the secret itself, for its hexadecimal digits, and for what every
//! base64 text has in common that encodes something with the secret in it.
//!
//! Work is linear in the text and memory is bounded, whatever the text is. All buffers are wiped.

use zeroize::Zeroizing;

/// How often an escaped text may be escaped again.
const LAYERS: usize = 3;
/// Bytes of a stream that are looked at together.
const WINDOW: usize = 16 << 10;
/// The longest escape that is understood, `&#x` with leading zeros.
const LONGEST_ESCAPE: usize = 32;
/// The fewest bytes that are searched for. Fewer would be found where nobody repeats anything.
const SHORTEST: usize = 8;
/// How many of a secret's first bytes the end of an unrelated escape before it can take: `\u` takes four. They are not
/// searched for.
const TAKEN: usize = 5;

/// What to search for, prepared once for a secret. Wiped when dropped.
pub(crate) struct Traces {
    /// In lower case, without white space.
    needles: Vec<Zeroizing<Vec<u8>>>,
    shortest: usize,
    longest: usize,
    /// By the hash of two bytes that end a window as long as the shortest needle: how far the next window can be away.
    shifts: Zeroizing<Vec<u8>>,
}

impl Traces {
    /// Of secrets that consist of 8 to 128 ASCII letters and digits each.
    pub(crate) fn of(secrets: &[&str]) -> Self {
        let mut needles: Vec<Zeroizing<Vec<u8>>> = Vec::new();
        for secret in secrets {
            let skipped = secret.len().saturating_sub(SHORTEST).min(TAKEN);
            let needle = secret.as_bytes().get(skipped..).unwrap_or_default();
            let lower = Zeroizing::new(needle.to_ascii_lowercase());
            let upper = Zeroizing::new(needle.to_ascii_uppercase());
            // An encoding hides the case of what it encodes, so each case has its own.
            for cased in [needle, &lower, &upper] {
                needles.push(Zeroizing::new(hexadecimal(cased)));
                needles.extend((0..3).map(|offset| Zeroizing::new(inside_base64(cased, offset))));
            }
            needles.push(lower);
        }
        needles.sort_by(|one, other| one.as_slice().cmp(other));
        needles.dedup();
        let shortest = needles.iter().map(|needle| needle.len()).min().unwrap_or(usize::MAX);
        let longest = needles.iter().map(|needle| needle.len()).max().unwrap_or(0);
        let furthest = u8::try_from(shortest.saturating_sub(1)).unwrap_or(u8::MAX);
        let mut shifts = Zeroizing::new(vec![furthest; 1 << HASH_BITS]);
        for needle in &needles {
            let window = needle.get(..shortest).unwrap_or_default();
            for (start, pair) in window.windows(2).enumerate() {
                let to_end = u8::try_from(shortest - 2 - start).unwrap_or(u8::MAX);
                if let [one, two] = pair
                    && let Some(shift) = shifts.get_mut(hash(*one, *two))
                {
                    *shift = to_end.min(*shift);
                }
            }
        }
        Self { needles, shortest, longest, shifts }
    }

    /// Whether a text repeats one of the secrets.
    pub(crate) fn show_in(&self, text: &[u8]) -> bool {
        // No spelling is shorter than what it spells.
        if text.len() < self.shortest {
            return false;
        }
        let window = WINDOW.min(text.len()) + self.longest + LONGEST_ESCAPE;
        let mut stream = Stream::new(0, window);
        stream.push_raw(self, text) || stream.flush(self, true)
    }

    /// Whether one of the needles stands in a stream's window. (Wu and Manber, *A fast algorithm for multi-pattern
    /// searching*, 1994: most windows are passed over without a look at most of their bytes.)
    fn found_in(&self, window: &[u8]) -> bool {
        let mut end = self.shortest;
        while let (Some(&one), Some(&two)) = (window.get(end.wrapping_sub(2)), window.get(end - 1)) {
            if let Some(&shift @ 1..) = self.shifts.get(hash(one, two)) {
                end += usize::from(shift);
                continue;
            }
            let rest = window.get(end - self.shortest..).unwrap_or_default();
            if self.needles.iter().any(|needle| rest.starts_with(needle)) {
                return true;
            }
            end += 1;
        }
        false
    }
}

const HASH_BITS: usize = 12;

const fn hash(one: u8, two: u8) -> usize {
    ((one as usize) << 5 ^ (two as usize)) & ((1 << HASH_BITS) - 1)
}

/// One reading of the text: as it stands, or with so many layers of escapes taken off.
struct Stream {
    layer: usize,
    /// The end of what was read, in lower case and without white space. Never grows, since growing would leave a copy.
    window: Zeroizing<Vec<u8>>,
    /// How many bytes of the window may be filled.
    room: usize,
    /// How much of the window is decoded.
    decoded: usize,
    /// What it stands for. Not there before something stands for something else.
    meaning: Option<Box<Stream>>,
    /// What stands outside its comments. Not there before the first one. It is decoded no further: a comment is one in
    /// every deeper layer, too.
    outside: Option<Box<Stream>>,
    in_comment: bool,
    /// In a section of characters, in which no comment begins.
    in_section: bool,
}

/// What a byte that can begin an escape begins.
enum Escape {
    /// Nothing.
    None,
    /// A byte, in so many.
    Of(u8, usize),
    /// What a reader drops.
    OfNothing(usize),
    Comment,
    CommentEnd,
    /// Begin (`true`) or end of a section of characters, in so many bytes that a reader drops.
    Section(bool, usize),
}

impl Stream {
    fn new(layer: usize, room: usize) -> Self {
        Self {
            layer,
            window: Zeroizing::new(Vec::with_capacity(room)),
            room,
            decoded: 0,
            meaning: None,
            outside: None,
            in_comment: false,
            in_section: false,
        }
    }

    /// Takes text in. Whether a secret showed in it.
    fn push_raw(&mut self, traces: &Traces, mut text: &[u8]) -> bool {
        while !text.is_empty() {
            let (now, later) = text.split_at(text.len().min(self.room - self.window.len()));
            for piece in now.split(|byte| *byte <= b' ') {
                let start = self.window.len();
                self.window.extend_from_slice(piece);
                self.window.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
            }
            text = later;
            if self.window.len() == self.room && self.flush(traces, false) {
                return true;
            }
        }
        false
    }

    /// Takes in what another stream has already made of its text.
    fn push_read(&mut self, traces: &Traces, mut text: &[u8]) -> bool {
        while !text.is_empty() {
            let (now, later) = text.split_at(text.len().min(self.room - self.window.len()));
            self.window.extend_from_slice(now);
            text = later;
            if self.window.len() == self.room && self.flush(traces, false) {
                return true;
            }
        }
        false
    }

    /// Searches the window, hands on what it means, and makes room. Whether a secret showed.
    fn flush(&mut self, traces: &Traces, last: bool) -> bool {
        if traces.found_in(&self.window) || (self.layer < LAYERS + 1 && self.decode(traces, last)) {
            return true;
        }
        if last {
            let mut streams = self.meaning.iter_mut().chain(&mut self.outside);
            return streams.any(|stream| stream.flush(traces, true));
        }
        let mut done = self.window.len().saturating_sub(traces.longest);
        if self.layer < LAYERS + 1 {
            done = done.min(self.decoded);
            self.decoded -= done;
        }
        let kept = self.window.len() - done;
        self.window.copy_within(done.., 0);
        self.window.truncate(kept);
        false
    }

    /// Decodes the window up to what could be the beginning of a longer escape.
    fn decode(&mut self, traces: &Traces, last: bool) -> bool {
        let window = std::mem::take(&mut *self.window);
        let found = self.decode_in(traces, &window, last);
        *self.window = window;
        found
    }

    fn decode_in(&mut self, traces: &Traces, window: &[u8], last: bool) -> bool {
        // Up to these places the window is handed on.
        let (mut meant, mut out) = (self.decoded, self.decoded);
        let mut at = self.decoded;
        while let Some(rest) = window.get(at..).filter(|rest| !rest.is_empty()) {
            let Some(plain) = rest.iter().position(|byte| BEGINS.get(usize::from(*byte)) == Some(&true)) else {
                at = window.len();
                break;
            };
            at += plain;
            let rest = rest.get(plain..).unwrap_or_default();
            if rest.len() < LONGEST_ESCAPE && !last {
                break;
            }
            let (byte, length) = match escape(rest, self.in_comment) {
                Escape::Comment if self.in_section => {
                    at += 1;
                    continue;
                }
                Escape::Comment => {
                    if self.outside.is_none() {
                        self.outside = Some(Box::new(Self::new(LAYERS + 1, self.room)));
                        out = 0;
                    }
                    if hand_on(&mut self.outside, traces, window.get(out..at)) {
                        return true;
                    }
                    self.in_comment = true;
                    at += 4;
                    continue;
                }
                Escape::CommentEnd => {
                    self.in_comment = false;
                    at += 3;
                    out = at;
                    continue;
                }
                Escape::None => {
                    at += 1;
                    continue;
                }
                // The layers are counted. Comments may stand in the last one as well.
                _ if self.layer == LAYERS => {
                    at += 1;
                    continue;
                }
                Escape::OfNothing(length) => (None, length),
                Escape::Section(begins, length) => {
                    self.in_section = begins && !self.in_comment;
                    (None, length)
                }
                // White space is dropped, as everywhere.
                Escape::Of(byte, length) => (Some(byte).filter(|byte| *byte > b' '), length),
            };
            // So far this stream and its meaning are the same.
            if self.meaning.is_none() {
                self.meaning = Some(Box::new(Self::new(self.layer + 1, self.room)));
                meant = 0;
            }
            let byte = byte.map(|byte| [byte.to_ascii_lowercase()]);
            if hand_on(&mut self.meaning, traces, window.get(meant..at))
                || hand_on(&mut self.meaning, traces, byte.as_ref().map(<[u8; 1]>::as_slice))
            {
                return true;
            }
            at += length;
            meant = at;
        }
        self.decoded = at;
        hand_on(&mut self.meaning, traces, window.get(meant..at))
            || (!self.in_comment && hand_on(&mut self.outside, traces, window.get(out..at)))
    }
}

fn hand_on(to: &mut Option<Box<Stream>>, traces: &Traces, text: Option<&[u8]>) -> bool {
    match (to, text) {
        (Some(to), Some(text)) => to.push_read(traces, text),
        _ => false,
    }
}

/// The bytes that can begin an escape.
const BEGINS: [bool; 256] = {
    let mut begins = [false; 256];
    let all = b"%\\&<]-";
    let mut at = 0;
    while at < all.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
        {
            begins[all[at] as usize] = true;
        }
        at += 1;
    }
    begins
};

/// What begins with a text's first byte. The text is in lower case.
fn escape(text: &[u8], in_comment: bool) -> Escape {
    match text {
        [b'%' | b'\\', b'u', rest @ ..] => match number(rest.get(..4).unwrap_or_default(), 16) {
            Some(code) => Escape::Of(code, 6),
            None => Escape::None,
        },
        // What is neither ASCII nor white space cannot be part of what is searched for, and what looks like an escape
        // of it need not be one.
        [b'%', high, low, ..] => match number(&[*high, *low], 16) {
            Some(code @ ..0x80) => Escape::Of(code, 3),
            _ => Escape::None,
        },
        [b'\\', b'b' | b'f' | b'n' | b'r' | b't', ..] => Escape::OfNothing(2),
        // An escaped backslash, or one whose escape begins with the next: the next one tells what is meant either way.
        [b'\\', b'\\', ..] => Escape::OfNothing(1),
        [b'\\', byte @ (b'"' | b'/'), ..] => Escape::Of(*byte, 2),
        [b'&', b'#', rest @ ..] => reference(rest),
        [b'&', ..] => {
            let names: [(&[u8], u8); 5] =
                [(b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"'), (b"&apos;", b'\'')];
            let named = names.into_iter().find(|(name, _)| text.starts_with(name));
            named.map_or(Escape::None, |(name, byte)| Escape::Of(byte, name.len()))
        }
        [b'<', b'!', b'-', b'-', ..] if !in_comment => Escape::Comment,
        [b'-', b'-', b'>', ..] if in_comment => Escape::CommentEnd,
        [b'<', b'!', b'[', rest @ ..] if rest.starts_with(b"cdata[") => Escape::Section(true, 9),
        [b']', b']', b'>', ..] => Escape::Section(false, 3),
        _ => Escape::None,
    }
}

/// A numeric character reference after its `&#`. Browsers do not insist on its semicolon. Here it has to be there: it may
/// be escaped itself.
fn reference(text: &[u8]) -> Escape {
    let (radix, prefix) = if text.first() == Some(&b'x') { (16, 1) } else { (10, 0) };
    let digits = text.get(prefix..).unwrap_or_default();
    let length = digits.iter().take(LONGEST_ESCAPE - 4).take_while(|digit| char::from(**digit).is_digit(radix)).count();
    let (digits, rest) = digits.split_at(length);
    match number(digits, radix) {
        Some(code) if rest.first() == Some(&b';') => Escape::Of(code, 2 + prefix + length + 1),
        _ => Escape::None,
    }
}

/// The byte that a number stands for; one that is not ASCII where it stands for any other character.
fn number(digits: &[u8], radix: u32) -> Option<u8> {
    if digits.is_empty() {
        return None;
    }
    let code = digits.iter().try_fold(0_u32, |code, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        Some(code.saturating_mul(radix).saturating_add(digit))
    })?;
    Some(u8::try_from(code).unwrap_or(u8::MAX))
}

fn hexadecimal(bytes: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            digits.push(if half < 10 { b'0' + half } else { b'a' + half - 10 });
        }
    }
    digits
}

/// What every base64 text has in common, in lower case, that encodes something with `bytes` in it after a number of
/// other bytes that leaves `offset` when divided by 3. The same for both alphabets: they differ in two digits that
/// letters and digits never make.
fn inside_base64(bytes: &[u8], offset: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789+/";
    // Only digits whose six bits are all from `bytes`.
    let (first, end) = ((8 * offset).div_ceil(6), 8 * (offset + bytes.len()) / 6);
    let mut digits = Vec::with_capacity(end);
    for place in first..end {
        let bits = (0..6).fold(0, |bits, bit| {
            let at = 6 * place + bit - 8 * offset;
            let byte = bytes.get(at / 8).copied().unwrap_or_default();
            bits << 1 | usize::from(byte >> (7 - at % 8) & 1)
        });
        digits.extend(ALPHABET.get(bits));
    }
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "7K3PLANTEDQ9X2CLICKBANKKEY8W";

    fn shows(text: &[u8]) -> bool {
        Traces::of(&[KEY]).show_in(text)
    }

    /// How one byte may be written.
    fn spelt(byte: u8, how: u8) -> Vec<u8> {
        let letter = char::from(byte);
        let text = match how {
            0 => return vec![byte],
            1 => format!("%{byte:02x}"),
            2 => format!("%{byte:02X}"),
            3 => format!("\\u{byte:04x}"),
            4 => format!("\\u{byte:04X}"),
            5 => format!("&#{byte};"),
            6 => format!("&#000000000000{byte};"),
            7 => format!("&#x{byte:x};"),
            8 => format!("&#X0000000{byte:X};"),
            9 => format!("{letter}<!-- -> ]]> -->"),
            10 => format!("]]><![CDATA[{letter}"),
            11 => format!("\\n{letter}"),
            12 => match letter {
                '&' => "&amp;".to_owned(),
                '<' => "&lt;".to_owned(),
                '>' => "&gt;".to_owned(),
                '"' => "&quot;".to_owned(),
                '\'' => "&apos;".to_owned(),
                '/' | '\\' => format!("\\{letter}"),
                _ => letter.to_string(),
            },
            13 => format!("%u{byte:04X}"),
            _ => format!("\r\n\t {letter}"),
        };
        text.into_bytes()
    }
    const SPELLINGS: u8 = 15;

    /// Each byte written in one of these ways, round and round.
    fn layer(text: &[u8], how: &[u8]) -> Vec<u8> {
        text.iter().zip(how.iter().cycle()).flat_map(|(byte, how)| spelt(*byte, *how)).collect()
    }

    /// The text as a value of one format, as a writer of that format would write it: what means something there is
    /// escaped, and all or none of the other punctuation, and of the letters and digits.
    fn format_layer(text: &[u8], how: &[u8]) -> Vec<u8> {
        let (reserved, spellings): (&[u8], &[u8]) =
            [(&b"%"[..], &[1, 2][..]), (b"\\\"", &[3, 4]), (b"&<>", &[5, 6, 7, 8])][usize::from(how[0] % 3)];
        let (punctuation, letters) = (how[0] > 8, how[0].is_multiple_of(4));
        let spelling = |byte, how: u8| {
            let chosen = if u8::is_ascii_alphanumeric(&byte) { letters } else { punctuation };
            let escaped = chosen || reserved.contains(&byte);
            spelt(byte, if escaped { spellings[usize::from(how) % spellings.len()] } else { 0 })
        };
        text.iter().zip(how.iter().cycle()).flat_map(|(byte, how)| spelling(*byte, *how)).collect()
    }

    fn base64(bytes: &[u8], url: bool) -> Vec<u8> {
        let alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"+/").collect();
        let mut text = Vec::new();
        for group in bytes.chunks(3) {
            let bits = (0..3).fold(0, |bits, at| bits << 8 | usize::from(*group.get(at).unwrap_or(&0)));
            for place in 0..4 {
                let digit = alphabet[bits >> (18 - 6 * place) & 63];
                text.push(if place <= group.len() { digit } else { b'=' });
            }
        }
        if url {
            for digit in &mut text {
                match digit {
                    b'+' => *digit = b'-',
                    b'/' => *digit = b'_',
                    _ => {}
                }
            }
            text.retain(|digit| *digit != b'=');
        }
        text
    }

    fn broken(text: &[u8], every: usize, by: &[u8]) -> Vec<u8> {
        text.chunks(every).flat_map(|line| [line, by].concat()).collect()
    }

    #[test]
    fn every_spelling_is_found_and_the_text_without_the_secret_is_not() {
        let pair = format!("DEV-0123456789:API-{KEY}");
        let url: Vec<u8> = layer(KEY.as_bytes(), &[2, 0]);
        let mut texts = vec![
            KEY.into(),
            KEY.to_lowercase().into_bytes(),
            format!("API-{KEY}").into_bytes(),
            layer(&url, &[1]),
            layer(&layer(&url, &[1]), &[5]),
            hexadecimal(KEY.as_bytes()),
            hexadecimal(KEY.to_lowercase().as_bytes()).to_ascii_uppercase(),
            b"7K3PLANTEDQ9<!-- and --><![CDATA[X2CLICKBANK]]>KEY8W".to_vec(),
            b"<!--7K3PLANTEDQ&#57;X2CLICKBANKKEY8W-->".to_vec(),
            b"7K3PLANTEDQ&lt;!-- x --&gt;9X2CLICKBANKKEY8W".to_vec(),
            b"<!--7K3PLANTED%519X2CLICKBANKKEY8W".to_vec(),
            KEY.bytes().flat_map(|byte| [byte, 0]).collect(),
        ];
        for spelling in 0..SPELLINGS {
            texts.push(layer(KEY.as_bytes(), &[spelling]));
        }
        for encoded in [KEY, &KEY.to_lowercase(), &pair, &format!("x{pair}"), &format!("xy{pair} and so on")] {
            for url in [false, true] {
                let text = base64(encoded.as_bytes(), url);
                for by in [&b"\r\n"[..], b"\n", b"\\n", b"\\r\\n", b"%0D%0A", b"&#10;"] {
                    texts.push(broken(&text, 7, by));
                }
                texts.push(layer(&text, &[1]));
                texts.push(text);
            }
        }
        for text in texts {
            let shown = String::from_utf8_lossy(&text).into_owned();
            assert!(shows(&text), "{shown}");
            // Across every place at which the text is cut for searching.
            for more in (0..200).step_by(4) {
                let around = [&b"x".repeat(WINDOW + more)[..], &text, b" and so on"].concat();
                assert!(shows(&around), "{more} {shown}");
            }
            assert!(!Traces::of(&["0THER0123456789ABCDEF"]).show_in(&text), "{shown}");
        }
        for text in ["", "API-", "DEV-:API-", "7K3PLANTEDQ9", "7K3PLANTEDQ9.X2CLICKBANKKEY8W", "%37K3PLANT%"] {
            assert!(!shows(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_seems_to_be_an_escape_before_it_hides_nothing() {
        for (key, before) in [("41ABCDEFGHIJKLMN", "%"), ("NABCDEFGHIJKLMN", "\\"), ("U0041ABCDEFGHIJKLMN", "\\")] {
            let text = format!("{before}{}\\u0049{}", &key[..9], &key[10..])
                .replace("\\u0049", &format!("\\u{:04x}", key.as_bytes()[9]));
            assert!(Traces::of(&[key]).show_in(text.to_lowercase().as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_seems_to_begin_a_comment_hides_nothing() {
        let (one, two) = KEY.split_at(9);
        for text in [
            format!("<a><![CDATA[<!--]]>{one}<!-- -->{two}</a>"),
            format!("<a><!-- <![CDATA[ -->{one}<!-- -->{two}</a>"),
            format!("<a><![CDATA[x]]><![CDATA[<!--]]>{one}<!-- ]]> -->{two}</a>"),
            format!("<a><![CDATA[{one}<!-- -->{two}]]></a>"),
            format!("<a>&lt;!--{one}<!-- -->{two}</a>"),
        ] {
            assert!(shows(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn each_of_several_secrets_is_found_and_none_is_never_found() {
        let both = Traces::of(&["ABCDEFGH", KEY]);
        assert!(both.show_in(b"abcdefgh"));
        assert!(both.show_in(KEY.as_bytes()));
        assert!(!both.show_in(b"bcdefgh 7k3plantedq9x2clickbankkey8"));
        assert!(!Traces::of(&[]).show_in(KEY.as_bytes()));
    }

    #[test]
    fn hostile_texts_take_bounded_memory_and_one_pass() {
        // Each is two million bytes. Work that grew faster than the text would not end in the time of a test run.
        for unit in [
            "%25",
            "%",
            "&#",
            "&#0",
            "&#x000000000000000000000000",
            "<!--",
            "<!---->",
            "-->",
            "\\",
            "\\u005c",
            "&amp;",
            "]]>",
            "<![CDATA[",
            "%26amp;%26lt;!--",
            "7K3PLANTEDQ9X2CLICKBANKKEY8",
            "%37K3PLANTEDQ9X2CLICKBANKKEY8",
            "\n",
            "N",
        ] {
            let text = unit.repeat(2_000_000 / unit.len());
            assert!(!shows(text.as_bytes()), "{unit}");
            assert!(shows((text + " " + KEY).as_bytes()), "{unit}");
        }
    }

    /// Every reading of a text by decoders that know one format each, in every order, three deep.
    fn readings(text: Vec<u8>) -> Vec<Vec<u8>> {
        fn percent(text: &[u8]) -> Vec<u8> {
            percent_encoding::percent_decode(text).collect()
        }
        fn json(text: &[u8]) -> Vec<u8> {
            let quoted = [b"\"", text, b"\""].concat();
            serde_json::from_slice::<String>(&quoted).map_or_else(|_| text.to_vec(), String::into_bytes)
        }
        fn xml(text: &[u8]) -> Vec<u8> {
            let text = String::from_utf8_lossy(text);
            quick_xml::escape::unescape(&text)
                .map_or_else(|_| text.as_bytes().to_vec(), |text| text.into_owned().into())
        }
        let mut all = vec![text];
        let mut from = 0;
        for _ in 0..LAYERS {
            let to = all.len();
            for at in from..to {
                let next = [percent(&all[at]), json(&all[at]), xml(&all[at])];
                all.extend(next);
            }
            from = to;
        }
        all
    }

    proptest! {
        #[test]
        fn a_secret_is_found_in_any_mixture_of_spellings(
            key in "[A-Z0-9]{8,128}",
            layers in prop::collection::vec(prop::collection::vec(0..SPELLINGS, 1..9), 0..=LAYERS),
            before in "[ -~]{0,60}",
            filler in 0..2 * WINDOW,
            after in "[ -~]{0,60}",
        ) {
            let mut text = key.clone().into_bytes();
            for (depth, how) in layers.iter().enumerate() {
                text = if depth == 0 { layer(&text, how) } else { format_layer(&text, how) };
            }
            // What stands before must not reach into it: that would be another text.
            let text = [before.as_bytes(), &b" ".repeat(filler), &b".".repeat(filler), b";", &text, b" ", after.as_bytes()].concat();
            prop_assert!(Traces::of(&[&key]).show_in(&text));
        }

        #[test]
        fn what_a_reader_could_make_of_a_text_is_found(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "ABCD", "EFGH", "IJKL", "%41", "%2541", "\\u0042", "\\\\u0042", "&#67;", "&amp;#67;", "%26%2367;", "&#x44;",
                "%", "\\n", "&", ";", "\\/", "25", "BCD", "%45FGH", "\\u0045FGH", "&#69;FGH", "&lt;", "-", "IJK%4C", "%u",
            ]), 0..12),
        ) {
            let text = pieces.concat().into_bytes();
            let found = readings(text.clone()).iter().any(|reading| {
                reading.windows(12).any(|window| window.eq_ignore_ascii_case(b"ABCDEFGHIJKL"))
            });
            if found {
                prop_assert!(Traces::of(&["ABCDEFGHIJKL"]).show_in(&text), "{}", String::from_utf8_lossy(&text));
            }
        }

        #[test]
        fn a_text_without_it_passes(key in "[A-Z0-9]{16,128}", text in prop::collection::vec(any::<u8>(), 0..5_000)) {
            prop_assert!(!Traces::of(&[&key]).show_in(&text));
            let text = text.iter().flat_map(|byte| spelt(*byte, byte % SPELLINGS)).collect::<Vec<u8>>();
            prop_assert!(!Traces::of(&[&key]).show_in(&text));
            let part = &key.as_bytes()[..key.len() - 1];
            prop_assert!(!Traces::of(&[&key]).show_in(&layer(part, &[5, 1, 3, 0])));
        }
    }
}
