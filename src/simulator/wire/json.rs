//! The JSON writer: a mechanical image of the XML, with the quirks of that.
//!
//! The root element is not shown. One element of a name is a value, several are an array. An element without content
//! is `null`, a nil one is `{"@nil":"true"}`. Every scalar is a string. Attributes are members with `@` before
//! their name, without the namespace prefix; beside them the text stands as `$`.

use super::element::{Content, Element};

/// What `root` holds, as JSON.
pub(crate) fn to_json(root: &Element) -> String {
    let mut out = String::new();
    write_value(&mut out, root);
    out
}

fn write_value(out: &mut String, element: &Element) {
    match &element.content {
        Content::Text(text) if element.attributes.is_empty() => write_string(out, text),
        Content::Children(children) if children.is_empty() && element.attributes.is_empty() => {
            out.push_str("null");
        }
        _ => write_object(out, element),
    }
}

fn write_object(out: &mut String, element: &Element) {
    let mut object = ObjectWriter::open(out);
    for (name, value) in &element.attributes {
        let name = name.rsplit_once(':').map_or(*name, |(_, local)| local);
        object.member(&format!("@{name}"), |out| write_string(out, value));
    }
    match &element.content {
        Content::Nil => object.member("@nil", |out| write_string(out, "true")),
        Content::Text(text) => object.member("$", |out| write_string(out, text)),
        Content::Children(children) => {
            for (place, child) in children.iter().enumerate() {
                let earlier = children.iter().take(place);
                if earlier.clone().any(|other| other.name == child.name) {
                    continue;
                }
                let same: Vec<&Element> =
                    children.iter().skip(place).filter(|other| other.name == child.name).collect();
                object.member(child.name, |out| write_list(out, &same));
            }
        }
    }
    object.close();
}

/// One element as a value, several as an array.
fn write_list(out: &mut String, elements: &[&Element]) {
    if let [only] = elements {
        write_value(out, only);
        return;
    }
    out.push('[');
    for (place, element) in elements.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write_value(out, element);
    }
    out.push(']');
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' => out.push_str(&escaped(character)),
            _ => out.push(character),
        }
    }
    out.push('"');
}

fn escaped(character: char) -> String {
    format!("\\u{:04x}", u32::from(character))
}

/// Puts the braces and commas of an object.
struct ObjectWriter<'a> {
    out: &'a mut String,
    empty: bool,
}

impl<'a> ObjectWriter<'a> {
    fn open(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    fn member(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        write_string(self.out, name);
        self.out.push(':');
        write(self.out);
    }

    fn close(self) {
        self.out.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(receipt: &str) -> Element {
        Element::parent("row", vec![Element::text("receipt", receipt)])
    }

    #[test]
    fn the_image_of_the_xml_has_all_its_quirks() {
        for (children, expected) in [
            (vec![], "null"),
            (vec![row("A")], r#"{"row":{"receipt":"A"}}"#),
            (vec![row("A"), row("B")], r#"{"row":[{"receipt":"A"},{"receipt":"B"}]}"#),
            (
                vec![Element::nil("a"), Element::text("n", 3), Element::parent("e", vec![])],
                r#"{"a":{"@nil":"true"},"n":"3","e":null}"#,
            ),
            (
                vec![Element::text("value", "12.50").attribute("xsi:type", "xs:decimal")],
                r#"{"value":{"@type":"xs:decimal","$":"12.50"}}"#,
            ),
            (vec![row("A"), Element::text("n", 1), row("B")], r#"{"row":[{"receipt":"A"},{"receipt":"B"}],"n":"1"}"#),
        ] {
            assert_eq!(to_json(&Element::parent("root", children)), expected);
        }
    }

    #[test]
    fn attributes_of_the_root_stay() {
        let root = Element::parent("Product", vec![Element::text("site", "acme")]).attribute("sku", "guide-1");
        assert_eq!(to_json(&root), r#"{"@sku":"guide-1","site":"acme"}"#);
    }

    #[test]
    fn strings_read_back_as_they_were() {
        let text = "quote \" backslash \\ newline \n bell \u{7} snow ☃";
        let json = to_json(&Element::text("t", text));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
