//! Answers that are made up: mostly as ClickBank would write them, with a few slips and tricks.

use clickbank_gateway::domain::answer::Media;
use clickbank_gateway::domain::endpoint::{OwnerField, Rows};

/// What stands in a row, once, and is different in each.
pub(super) const TOKEN: char = '\u{a7}';
/// What stands in every total.
pub(super) const TOTAL: &str = "9070";

/// Numbers that decide. When they have run out, the first of everything is taken.
pub(super) struct Choices<'c>(pub(super) std::slice::Iter<'c, u16>);

impl Choices<'_> {
    fn below(&mut self, end: usize) -> usize {
        self.0.next().map_or(0, |number| usize::from(*number) % end)
    }

    fn one_of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }

    fn word(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len())]
    }

    /// Once in so many times.
    fn rarely(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last - self.below(last + 1), last);
        }
    }

    fn space(&mut self) -> &'static str {
        self.word(&["", "", "", "", " ", "\n\t"])
    }
}

/// An answer with such rows, each with a [`TOKEN`].
pub(super) fn document(media: Media, rows: &Rows, choices: &mut Choices<'_>) -> String {
    let path: Vec<&str> = rows.at.split('.').filter(|name| !name.is_empty()).collect();
    let mut numbered = String::new();
    let text = if media == Media::Json { json(rows, &path, choices) } else { xml(rows, &path, choices) };
    for (number, piece) in text.split(TOKEN).enumerate() {
        if number > 0 {
            numbered += &token(number - 1);
        }
        numbered += piece;
    }
    numbered
}

/// What is planted in the row of this number.
pub(super) fn token(number: usize) -> String {
    format!("T{number:02}K")
}

fn fields(rows: &Rows) -> Vec<&str> {
    match &rows.owner {
        None => vec![],
        Some(OwnerField::Field(field)) => vec![field],
        Some(OwnerField::ByRole { vendor, affiliate }) => vec![vendor, affiliate],
    }
}

/// The members of a row that say whose it is, nearly always as they should be.
fn plain(rows: &Rows, choices: &mut Choices<'_>) -> Vec<(String, String)> {
    let mut members = Vec::new();
    for field in fields(rows) {
        let owner = *choices.one_of(&["acme", "rival", "zeta", "Acme", "rival", "acme "]);
        members.push((field.to_owned(), owner.to_owned()));
    }
    if let Some(role) = &rows.role {
        let word = *choices.one_of(&["VENDOR", "AFFILIATE", "VENDOR", "AFFILIATE", "VENDOR", "JV_UPSELL"]);
        members.push((role.clone(), word.to_owned()));
    }
    members.extend(rows.receipt.clone().map(|receipt| (receipt, "ABCD1234".to_owned())));
    if let Some((name, _)) = members.first_mut()
        && choices.rarely(12)
    {
        *name = match choices.below(4) {
            0 => name.to_uppercase(),
            1 => format!("{name}_"),
            _ => format!("n:{name}"),
        };
    }
    members
}

/// A name that matters, or one that does not.
fn name(rows: &Rows, choices: &mut Choices<'_>) -> String {
    let mut names = vec!["x", "y", "deal", "\u{e9}"];
    names.extend(fields(rows));
    names.extend(rows.role.as_deref());
    names.extend(rows.receipt.as_deref());
    names.extend(rows.at.rsplit('.').next().filter(|name| !name.is_empty()));
    names.extend(rows.totals.iter().map(String::as_str));
    let name = (*choices.one_of(&names)).to_owned();
    match choices.below(10) {
        5 => format!("n:{name}"),
        6 => name.to_uppercase(),
        8 => format!("{name}.-"),
        7 => name.to_lowercase().replacen('k', "\u{212a}", 1),
        _ => name,
    }
}

const WORDS: [&str; 9] = ["rival", "acme", "VENDOR", "AFFILIATE", "zeta", "", "none", "a-b", "JV_UPSELL"];

fn json(rows: &Rows, path: &[&str], choices: &mut Choices<'_>) -> String {
    let (before, after) = (choices.space(), choices.space());
    let value = match path {
        [] if choices.rarely(6) => choices.word(&["null", "{}", "[]", "1", "\"x\""]).to_owned(),
        [] => json_row(rows, choices),
        path => json_container(rows, path, 0, choices),
    };
    format!("{before}{value}{after}")
}

fn json_container(rows: &Rows, path: &[&str], level: usize, choices: &mut Choices<'_>) -> String {
    let mut members = Vec::new();
    let value = match path.get(level + 1) {
        _ if choices.rarely(12) => "null".to_owned(),
        None => json_list(rows, choices),
        Some(_) => json_container(rows, path, level + 1, choices),
    };
    members.push(json_member(path[level], &value, choices));
    for total in &rows.totals {
        if choices.below(3) == 1 && (level == 0 || level + 1 == path.len() || choices.rarely(3)) {
            let values = [format!("\"{TOTAL}\""), TOTAL.to_owned(), format!("{{\"z\":[{TOTAL},{{}}]}}")];
            let value = choices.one_of(&values).clone();
            members.push(json_member(total, &value, choices));
        }
    }
    if choices.rarely(30) {
        let name = name(rows, choices);
        let is_row = path.last() == Some(&&*name);
        let value = if is_row { json_row(rows, choices) } else { json_value(rows, 0, choices) };
        members.push(json_member(&name, &value, choices));
    }
    if choices.rarely(30) {
        members.push(members[0].clone());
    }
    if choices.rarely(20) {
        members.remove(0);
    }
    choices.shuffle(&mut members);
    let object = format!("{{{}}}", members.join(","));
    if choices.rarely(40) { format!("[{object}]") } else { object }
}

fn json_member(name: &str, value: &str, choices: &mut Choices<'_>) -> String {
    let spaces = [(); 4].map(|()| choices.space());
    let name = match name.chars().next() {
        Some(first) if choices.rarely(12) && u32::from(first) < 0x1_0000 => {
            format!("\\u{:04x}{}", u32::from(first), &name[first.len_utf8()..])
        }
        _ => name.to_owned(),
    };
    format!("{}\"{name}\"{}:{}{value}{}", spaces[0], spaces[1], spaces[2], spaces[3])
}

fn json_list(rows: &Rows, choices: &mut Choices<'_>) -> String {
    let number = *choices.one_of(&[2, 1, 3, 0, 5, 1, 2, 3]);
    let mut elements: Vec<String> = (0..number).map(|_| json_row(rows, choices)).collect();
    if choices.rarely(30) {
        let odd = choices.word(&["null", "1", "[]", "\"x\""]).to_owned();
        elements.insert(choices.below(elements.len() + 1), odd);
    }
    if let [only] = &*elements
        && choices.below(3) < 2
    {
        return only.clone();
    }
    let spaced: Vec<String> =
        elements.iter().map(|element| format!("{}{element}{}", choices.space(), choices.space())).collect();
    format!("[{}{}]", spaced.join(","), if spaced.is_empty() { choices.space() } else { "" })
}

fn json_row(rows: &Rows, choices: &mut Choices<'_>) -> String {
    let mut members = vec![("token".to_owned(), format!("\"{TOKEN}\""))];
    for (name, value) in plain(rows, choices) {
        members.push((name, format!("\"{value}\"")));
    }
    if choices.rarely(3) {
        for _ in 0..choices.below(4) {
            members.push((name(rows, choices), json_value(rows, 0, choices)));
        }
    }
    if choices.rarely(10) {
        members.remove(choices.below(members.len() - 1) + 1 - usize::from(members.len() == 1));
    }
    if let Some(path) = rows.counterparty.first()
        && choices.rarely(4)
    {
        let (first, rest) = path.split_once('.').unwrap();
        members.push((first.to_owned(), format!("[{{\"{rest}\":\"zeta\"}}]")));
    }
    choices.shuffle(&mut members);
    let members: Vec<String> = members.iter().map(|(name, value)| json_member(name, value, choices)).collect();
    format!("{{{}}}", members.join(","))
}

fn json_value(rows: &Rows, depth: usize, choices: &mut Choices<'_>) -> String {
    match choices.below(if depth > 2 { 6 } else { 9 }) {
        0 | 1 => format!("\"{}\"", choices.word(&WORDS)),
        2 => "null".to_owned(),
        3 => choices.word(&["-0.5e+3", "true", "0"]).to_owned(),
        4 => r#"{"@nil":"true"}"#.to_owned(),
        5 => choices.word(&[r#""\ud83d\ude00""#, r#""\ud800acme""#, r#""\u0061cme""#, r#""r\u0069val""#]).to_owned(),
        6 => {
            let values: Vec<String> = (0..choices.below(3)).map(|_| json_value(rows, depth + 1, choices)).collect();
            format!("[{}]", values.join(","))
        }
        _ => {
            let members: Vec<String> = (0..choices.below(3))
                .map(|_| {
                    let (name, value) = (name(rows, choices), json_value(rows, depth + 1, choices));
                    json_member(&name, &value, choices)
                })
                .collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

fn xml(rows: &Rows, path: &[&str], choices: &mut Choices<'_>) -> String {
    let before = *choices.one_of(&["", "", "<?xml version=\"1.0\"?>", "\u{feff}<?xml version='1.0'?>\n", "\n"]);
    let after = if choices.rarely(40) { "<!-- after -->" } else { choices.space() };
    let root = match path {
        [] if choices.rarely(8) => choices.word(&["<r/>", "<r>x</r>", "<r> </r>", "<r a='b'/>"]).to_owned(),
        [] => xml_row("r", rows, choices),
        path => xml_container("r", rows, path, 0, choices),
    };
    format!("{before}{root}{after}")
}

/// A tag's attributes, which hardly ever matter.
fn attributes(choices: &mut Choices<'_>) -> &'static str {
    match choices.below(36) {
        0..28 => "",
        28 => " vendor='acme'",
        29 => " n:row=''",
        30 => " ",
        31 => " xmlns='u>'",
        32 => " xmlns:xsi=\"u\" xsi:schemaLocation='v /'",
        33 => " xsi:nil='true'",
        34 => " a = 'b'\n",
        _ => " xsi:type=\"w\"",
    }
}

fn xml_container(tag: &str, rows: &Rows, path: &[&str], level: usize, choices: &mut Choices<'_>) -> String {
    let mut children = match path.get(level + 1) {
        _ if choices.rarely(16) => Vec::new(),
        None => {
            let number = *choices.one_of(&[2, 1, 3, 0, 5, 1, 2, 3]);
            (0..number).map(|_| xml_row(path[level], rows, choices)).collect()
        }
        Some(_) => vec![xml_container(path[level], rows, path, level + 1, choices)],
    };
    for total in &rows.totals {
        if choices.below(3) == 1 && (level == 0 || level + 1 == path.len() || choices.rarely(3)) {
            let total = format!("<{total}><z>{TOTAL}</z></{total}>");
            children.insert(choices.below(children.len() + 1), total);
        }
    }
    if choices.rarely(24) {
        let odd = match choices.below(7) {
            0 => "<!-- c -->".to_owned(),
            1 => "x".to_owned(),
            2 => "&#32;".to_owned(),
            3 => "<![CDATA[ ]]>".to_owned(),
            4 => format!("<{}/>", path[level]),
            5 => children.first().cloned().unwrap_or_default(),
            _ => match name(rows, choices) {
                name if path.last() == Some(&&*name) => xml_row(&name, rows, choices),
                name => xml_element(&name, rows, 0, choices),
            },
        };
        children.insert(choices.below(children.len() + 1), odd);
    }
    let spaced: Vec<String> = children.iter().map(|child| format!("{}{child}", choices.space())).collect();
    let inner = spaced.concat();
    let attributes = attributes(choices);
    if inner.is_empty() && choices.rarely(2) {
        return format!("<{tag}{attributes}/>");
    }
    format!("<{tag}{attributes}>{inner}{}</{tag}{}>", choices.space(), choices.space())
}

fn xml_row(tag: &str, rows: &Rows, choices: &mut Choices<'_>) -> String {
    let mut children = vec![format!("<token>{TOKEN}</token>")];
    for (name, value) in plain(rows, choices) {
        let written = match choices.below(12) {
            9 => value.replacen('a', "&#97;", 1),
            10 => value.replacen('c', "<![CDATA[c]]>", 1),
            11 => value.replacen('e', "<!-- c -->e", 1),
            _ => value,
        };
        children.push(format!("<{name}{}>{written}</{name}>", attributes(choices)));
    }
    if choices.rarely(3) {
        for _ in 0..choices.below(4) {
            children.push(xml_element(&name(rows, choices), rows, 0, choices));
        }
    }
    if choices.rarely(10) {
        children.pop();
    }
    if choices.rarely(12) {
        children.push(choices.word(&["<!-- c -->", "text", "&amp;", "<![CDATA[<b>]]>"]).to_owned());
    }
    if let Some(path) = rows.counterparty.first()
        && choices.rarely(4)
    {
        let (first, rest) = path.split_once('.').unwrap();
        children.push(format!("<{first}><{rest}>zeta</{rest}></{first}>"));
    }
    choices.shuffle(&mut children);
    let attributes = attributes(choices);
    if children.is_empty() {
        // Without its token it has to be nothing to whoever counts them.
        return format!("<{tag} t='{TOKEN}'/>");
    }
    format!("<{tag}{attributes}>{}</{tag}>", children.concat())
}

fn xml_element(name: &str, rows: &Rows, depth: usize, choices: &mut Choices<'_>) -> String {
    let name = if choices.rarely(6) { format!("n:{name}") } else { name.to_owned() };
    let inner = match choices.below(if depth > 2 { 5 } else { 8 }) {
        0..3 => choices.word(&WORDS).to_owned(),
        3 => "&#x61;cme".to_owned(),
        4 => return format!("<{name} xsi:nil='true'/>"),
        _ => (0..choices.below(3)).map(|_| xml_element(&self::name(rows, choices), rows, depth + 1, choices)).collect(),
    };
    format!("<{name}{}>{inner}</{name}>", attributes(choices))
}
