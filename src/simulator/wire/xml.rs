//! The XML writer.

use super::element::{Content, Element};

/// `root` as an XML document in UTF-8. A nil element is empty and carries `xsi:nil="true"`, as in ClickBank's schemas.
pub(crate) fn to_xml(root: &Element) -> String {
    let mut out = String::from(r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#);
    let namespaces =
        [("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"), ("xmlns:xs", "http://www.w3.org/2001/XMLSchema")];
    write_element(&mut out, root, &namespaces);
    out
}

fn write_element(out: &mut String, element: &Element, namespaces: &[(&str, &str)]) {
    out.push('<');
    out.push_str(element.name);
    for (name, value) in namespaces {
        write_attribute(out, name, value);
    }
    for (name, value) in &element.attributes {
        write_attribute(out, name, value);
    }
    match &element.content {
        Content::Nil => {
            write_attribute(out, "xsi:nil", "true");
            out.push_str("/>");
            return;
        }
        Content::Children(children) if children.is_empty() => {
            out.push_str("/>");
            return;
        }
        Content::Text(text) => {
            out.push('>');
            escape(out, text, false);
        }
        Content::Children(children) => {
            out.push('>');
            for child in children {
                write_element(out, child, &[]);
            }
        }
    }
    out.push_str("</");
    out.push_str(element.name);
    out.push('>');
}

fn write_attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(out, value, true);
    out.push('"');
}

/// Writes `text` so that a parser reads it back. Characters that XML 1.0 cannot hold become U+FFFD.
fn escape(out: &mut String, text: &str, in_attribute: bool) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if in_attribute => out.push_str("&quot;"),
            '\t' if in_attribute => out.push_str("&#9;"),
            '\n' if in_attribute => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(character),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(root: &Element) -> String {
        let (_, body) = to_xml(root)
            .split_once("XMLSchema\"")
            .map_or_else(|| panic!("no namespaces"), |(head, body)| (head.to_owned(), body.to_owned()));
        body
    }

    #[test]
    fn elements_are_written_in_order_with_nil_and_attributes() {
        let root = Element::parent(
            "list",
            vec![
                Element::text("a", 1).attribute("id", "x\"<\n"),
                Element::nil("b"),
                Element::parent("c", vec![]),
                Element::text("d", ""),
            ],
        );
        assert_eq!(body(&root), r#"><a id="x&quot;&lt;&#10;">1</a><b xsi:nil="true"/><c/><d></d></list>"#);
    }

    #[test]
    fn text_is_escaped() {
        let root = Element::text("t", "a<b>&\"c\"\r\u{1}\t");
        assert_eq!(body(&root), ">a&lt;b&gt;&amp;\"c\"&#13;\u{fffd}\t</t>");
    }
}
