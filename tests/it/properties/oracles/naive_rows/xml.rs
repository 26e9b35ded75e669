//! The naive reader of XML.

use std::ops::Range;

use super::{Outcome, Question, Seen};

struct Element {
    name: String,
    attributes: Vec<String>,
    span: Range<usize>,
    /// Where the start tag's name ends, and where its `>` (or `/>`) stands.
    name_ends: usize,
    tag_ends: usize,
    parts: Vec<Part>,
}

enum Part {
    Element(Element),
    Text(String),
    /// A CDATA section.
    Section(String),
    /// A character reference or an entity.
    Reference(String),
    Comment,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Goes behind the next `end`, and gives what stands before it.
    fn up_to(&mut self, end: &str) -> Option<String> {
        let found = self.rest().find(end)?;
        let text = self.rest()[..found].to_owned();
        self.at += found + end.len();
        Some(text)
    }

    /// `None` where no element begins.
    fn element(&mut self) -> Option<Element> {
        let start = self.at;
        let is_name = |character: char| !" \t\r\n/>".contains(character);
        let name: String = self.rest().strip_prefix('<')?.chars().take_while(|next| is_name(*next)).collect();
        self.at += 1 + name.len();
        let name_ends = self.at;
        let mut attributes = Vec::new();
        let tag_ends = loop {
            let blank = self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
            self.at += blank;
            match self.rest().chars().next()? {
                '>' => break self.at,
                '/' => {
                    let tag_ends = self.at;
                    self.at += 2;
                    let span = start..self.at;
                    return Some(Element { name, attributes, span, name_ends, tag_ends, parts: Vec::new() });
                }
                _ => {
                    attributes.push(self.up_to("=")?.trim_matches([' ', '\t', '\r', '\n']).to_owned());
                    let quote = self.rest().trim_start().chars().next()?;
                    self.up_to(&quote.to_string())?;
                    self.up_to(&quote.to_string())?;
                }
            }
        };
        self.at += 1;
        let mut parts = Vec::new();
        loop {
            let rest = self.rest();
            if rest.starts_with("</") {
                self.up_to(">")?;
                return Some(Element { name, attributes, span: start..self.at, name_ends, tag_ends, parts });
            } else if rest.starts_with("<!--") {
                self.at += 4;
                self.up_to("-->")?;
                parts.push(Part::Comment);
            } else if rest.starts_with("<![CDATA[") {
                self.at += 9;
                parts.push(Part::Section(self.up_to("]]>")?));
            } else if rest.starts_with('<') {
                parts.push(Part::Element(self.element()?));
            } else if rest.starts_with('&') {
                self.at += 1;
                parts.push(Part::Reference(resolved(&self.up_to(";")?)?));
            } else {
                let text: String = rest.chars().take_while(|next| !['<', '&'].contains(next)).collect();
                self.at += text.len();
                if text.is_empty() {
                    return None;
                }
                parts.push(Part::Text(text));
            }
        }
    }
}

fn resolved(reference: &str) -> Option<String> {
    let named = [("lt", "<"), ("gt", ">"), ("amp", "&"), ("apos", "'"), ("quot", "\"")];
    if let Some((_, text)) = named.iter().find(|(name, _)| *name == reference) {
        return Some((*text).to_owned());
    }
    let number = reference.strip_prefix('#')?;
    let number = number.strip_prefix('x').map_or_else(|| number.parse(), |hex| u32::from_str_radix(hex, 16)).ok()?;
    char::from_u32(number).map(String::from)
}

/// The root, and whether nothing but white space and a declaration stands around it.
fn document(text: &str) -> Option<(Element, bool)> {
    let mut parser = Parser { text, at: 0 };
    if parser.rest().starts_with('\u{feff}') {
        parser.at += 3;
    }
    // The gateway leaves documents alone that begin with two marks.
    if parser.rest().starts_with('\u{feff}') {
        return None;
    }
    if parser.rest().starts_with("<?xml") {
        parser.up_to("?>")?;
    }
    let mut bare = true;
    loop {
        let rest = parser.rest();
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        parser.at += blank;
        if !parser.rest().starts_with("<!--") {
            break;
        }
        bare = false;
        parser.up_to("-->")?;
    }
    let root = parser.element()?;
    bare &= parser.rest().trim_matches([' ', '\t', '\r', '\n']).is_empty();
    Some((root, bare))
}

/// `text` is XML. `keep` says of each row whether it stays.
pub(crate) fn read(question: Question<'_>, text: &str, keep: &mut dyn FnMut(&Seen) -> bool) -> Outcome {
    if text.is_empty() {
        return Outcome { rows: Vec::new(), text: Some(String::new()) };
    }
    let Some((root, bare)) = document(text) else { return Outcome { rows: Vec::new(), text: None } };
    let mut reading = Reading { question, text, keep, rows: Vec::new(), readable: bare, elements: 0, empty: 0 };
    let became = if question.rows.at.is_empty() {
        let nothing = || format!("{}/>", &text[root.span.start..root.name_ends]);
        reading.row(&root).unwrap_or_else(nothing)
    } else {
        reading.container(&root, 0)
    };
    reading.readable &= reading.empty == 0 || reading.elements == 1;
    let whole = format!("{}{became}{}", &text[..root.span.start], &text[root.span.end..]);
    Outcome { rows: reading.rows, text: reading.readable.then_some(whole) }
}

/// Every row that can be found.
pub(crate) fn survey(question: Question<'_>, text: &str) -> Vec<Seen> {
    let mut found = Vec::new();
    if let Some((root, _)) = document(text) {
        find(question, &root, &question.path(), &mut found);
    }
    found
}

fn find(question: Question<'_>, element: &Element, path: &[&str], found: &mut Vec<Seen>) {
    let [next, rest @ ..] = path else {
        found.push(seen(question, element));
        return;
    };
    element.children().filter(|child| child.name == *next).for_each(|child| find(question, child, rest, found));
}

impl Element {
    fn children(&self) -> impl Iterator<Item = &Self> {
        self.parts.iter().filter_map(|part| if let Part::Element(child) = part { Some(child) } else { None })
    }

    /// Attributes that some readers take for members.
    fn members(&self) -> impl Iterator<Item = &str> {
        let schema = ["xsi:schemaLocation", "xsi:noNamespaceSchemaLocation", "xsi:type"];
        let names = self.attributes.iter().map(String::as_str);
        names.filter(move |name| *name != "xmlns" && !name.starts_with("xmlns:") && !schema.contains(name))
    }

    fn has_only_attributes(&self, allowed: &[&str]) -> bool {
        let namespace = |name: &String| name == "xmlns" || name.starts_with("xmlns:");
        self.attributes.iter().all(|name| namespace(name) || allowed.contains(&name.as_str()))
    }

    /// The text, if there is nothing else.
    fn text(&self) -> Option<String> {
        let texts: Option<String> = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) | Part::Section(text) | Part::Reference(text) => Some(text.as_str()),
                Part::Element(_) | Part::Comment => None,
            })
            .collect();
        texts.filter(|text| !text.is_empty() && self.has_only_attributes(&[]))
    }
}

struct Reading<'a> {
    question: Question<'a>,
    text: &'a str,
    keep: &'a mut dyn FnMut(&Seen) -> bool,
    rows: Vec<Seen>,
    readable: bool,
    elements: usize,
    empty: usize,
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|character| " \t\r\n".contains(character))
}

impl Reading<'_> {
    fn container(&mut self, element: &Element, level: usize) -> String {
        let path = self.question.path();
        self.readable &=
            element.has_only_attributes(&["xsi:schemaLocation", "xsi:noNamespaceSchemaLocation", "xsi:type"]);
        self.readable &= element.parts.iter().all(|part| match part {
            Part::Element(_) => true,
            Part::Text(text) => is_blank(text),
            Part::Section(_) | Part::Reference(_) | Part::Comment => false,
        });
        let (mut stay, mut gone, mut on_the_way, mut from) = (String::new(), false, 0, element.tag_ends + 1);
        for child in element.children() {
            let became = if child.name == path[level] {
                if level + 1 == path.len() {
                    self.row(child)
                } else {
                    on_the_way += 1;
                    Some(self.container(child, level + 1))
                }
            } else if self.question.is_total(level, &child.name) {
                self.readable &= !are_flawed(self.question, child, &mut Vec::new(), false);
                Some(self.text[child.span.clone()].to_owned()).filter(|_| !self.question.drop_totals)
            } else {
                self.readable = false;
                None
            };
            match became {
                Some(became) => {
                    stay += &self.text[from..child.span.start];
                    stay += &became;
                }
                None => gone = true,
            }
            from = child.span.end;
        }
        self.readable &= on_the_way < 2;
        let tag = &self.text[element.span.start..element.tag_ends];
        if !gone && stay.is_empty() {
            self.text[element.span.clone()].to_owned()
        } else if stay.is_empty() {
            format!("{tag}/>")
        } else {
            format!("{tag}>{stay}{}", &self.text[from..element.span.end])
        }
    }

    fn row(&mut self, element: &Element) -> Option<String> {
        self.elements += 1;
        let as_it_is = self.text[element.span.clone()].to_owned();
        if element.has_only_attributes(&[]) && element.children().next().is_none() {
            let is_empty = element.parts.iter().all(|part| match part {
                Part::Text(text) | Part::Section(text) => is_blank(text),
                // White space that is written as a reference is meant to be there.
                Part::Reference(_) | Part::Element(_) | Part::Comment => false,
            });
            self.readable &= is_empty;
            self.empty += 1;
            return Some(as_it_is);
        }
        let seen = seen(self.question, element);
        let stays = (self.keep)(&seen);
        self.rows.push(seen);
        stays.then_some(as_it_is)
    }
}

fn seen(question: Question<'_>, element: &Element) -> Seen {
    let mut fields: Vec<(String, Option<String>)> =
        element.children().map(|child| (child.name.clone(), child.text())).collect();
    // Under a name that is never exactly a field's.
    fields.extend(element.members().map(|name| (format!("attribute:{name}"), None)));
    question.see(&fields, are_flawed(question, element, &mut Vec::new(), true))
}

fn are_flawed(question: Question<'_>, element: &Element, path: &mut Vec<String>, in_row: bool) -> bool {
    let mut flawed = false;
    for name in element.members() {
        path.push(format!("attribute:{name}"));
        flawed |= question.is_forbidden(path, in_row);
        path.pop();
    }
    for child in element.children() {
        path.push(child.name.clone());
        flawed |= question.is_forbidden(path, in_row);
        flawed |= are_flawed(question, child, path, in_row);
        path.pop();
    }
    flawed
}
