//! The CSV writer, for the few reads that offer it. Its columns are a guess: the leaf fields of a row, flattened.

use super::element::{Content, Element};

/// The rows of `root`, one a line, under the column names of the first.
pub(crate) fn to_csv(root: &Element) -> String {
    let mut lines = Vec::new();
    for row in root.children() {
        let leaves: Vec<(&str, &str)> = row.children().iter().filter_map(leaf).collect();
        if lines.is_empty() {
            lines.push(line(leaves.iter().map(|(name, _)| *name)));
        }
        lines.push(line(leaves.iter().map(|(_, text)| *text)));
    }
    lines.concat()
}

/// The name and text of an element without children.
fn leaf(element: &Element) -> Option<(&str, &str)> {
    match &element.content {
        Content::Nil => Some((element.name, "")),
        Content::Text(text) => Some((element.name, text)),
        Content::Children(_) => None,
    }
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.map(quoted).collect();
    format!("{}\r\n", cells.join(","))
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_lines_and_nested_lists_are_left_out() {
        let row = |receipt: &str, name: &str| {
            Element::parent(
                "orderData",
                vec![
                    Element::text("receipt", receipt),
                    Element::text("lastName", name),
                    Element::nil("affi"),
                    Element::parent("lineItemData", vec![]),
                ],
            )
        };
        let root = Element::parent("orderList", vec![row("A", "B, \"C\""), row("D", "E")]);
        assert_eq!(to_csv(&root), "receipt,lastName,affi\r\nA,\"B, \"\"C\"\"\",\r\nD,E,\r\n");
    }
}
