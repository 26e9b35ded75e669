//! What commands print: aligned text for people, JSON for programs, and tables for spreadsheets and documents.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde::Serialize;

/// How a command prints what it has to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Aligned text.
    #[default]
    Text,
    /// JSON, for programs.
    Json,
    /// For spreadsheets; `matrix` only.
    Csv,
    /// For documents; `matrix` only.
    Markdown,
}

impl OutputFormat {
    /// Whether it is for the one command that prints a table to be used elsewhere.
    pub(super) const fn is_of_a_table(self) -> bool {
        matches!(self, Self::Csv | Self::Markdown)
    }
}

/// Prints text to standard output; if not all of it can be printed, that is an error.
pub(crate) fn print_whole(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush())
}

/// Prints text to standard output. A reader that has gone away, such as `head`, is no error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    match print_whole(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Prints a line to standard error.
pub(crate) fn complain(text: &str) {
    // There is nowhere left to say that saying it failed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a value as JSON.
pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&to_json(value)?)?;
    Ok(())
}

/// Prints a value as JSON; if not all of it can be printed, that is an error.
pub(crate) fn print_json_whole(value: &impl Serialize) -> anyhow::Result<()> {
    print_whole(&to_json(value)?)?;
    Ok(())
}

fn to_json(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(|text| text + "\n")
}

/// Whether standard output takes colour: a terminal, and `NO_COLOR` (no-color.org) is not set.
#[expect(clippy::disallowed_methods, reason = "NO_COLOR is the convention that users set for all programs")]
pub(crate) fn colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Colours for people on terminals.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    Bold,
    Good,
    Bad,
    Dim,
}

/// The text in a style, or as it is where there is no colour.
pub(crate) fn styled(text: &str, style: Style, colour: bool) -> String {
    if !colour {
        return text.to_owned();
    }
    let code = match style {
        Style::Bold => "1",
        Style::Good => "32",
        Style::Bad => "31",
        Style::Dim => "2",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Rows with aligned columns, the first row a heading.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned).to_vec()] }
    }

    /// Rows without a heading.
    pub(crate) fn without_heading() -> Self {
        Self { rows: vec![Vec::new()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    pub(crate) fn render(&self, colour: bool) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell: &String| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate().filter(|(_, row)| !row.is_empty()) {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            let line = line.trim_end();
            text.push_str(&if number == 0 { styled(line, Style::Bold, colour) } else { line.to_owned() });
            text.push('\n');
        }
        text
    }
}

impl Table {
    /// As comma-separated values (RFC 4180). Spreadsheets calculate what begins like a formula; here nothing does.
    pub(crate) fn csv(&self) -> String {
        let cell = |cell: &String| {
            let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
            let cell = if formula { format!("'{cell}") } else { cell.clone() };
            if cell.contains([',', '"', '\n', '\r', ';']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
        };
        let line = |row: &Vec<String>| row.iter().map(cell).collect::<Vec<_>>().join(",") + "\r\n";
        self.rows.iter().map(line).collect()
    }

    /// As a table of a Markdown document.
    pub(crate) fn markdown(&self) -> String {
        let cell = |cell: &String| cell.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ");
        let line = |row: &Vec<String>| format!("| {} |\n", row.iter().map(cell).collect::<Vec<_>>().join(" | "));
        let mut lines: Vec<String> = self.rows.iter().map(line).collect();
        let columns = self.rows.first().map_or(0, Vec::len);
        lines.insert(1.min(lines.len()), format!("|{}\n", "---|".repeat(columns)));
        lines.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_breaks_its_row() {
        let mut table = Table::new(["A", "B"]);
        table.row(["=1+1".into(), "x,\"y\"".into()]);
        table.row(["@SUM(A1)".into(), "a\nb".into()]);
        assert_eq!(table.csv(), "A,B\r\n'=1+1,\"x,\"\"y\"\"\"\r\n'@SUM(A1),\"a\nb\"\r\n");
        assert_eq!(table.markdown(), "| A | B |\n|---|---|\n| =1+1 | x,\"y\" |\n| @SUM(A1) | a b |\n");
        let mut table = Table::new(["A"]);
        table.row(["a|b\\".into()]);
        assert_eq!(table.markdown(), "| A |\n|---|\n| a\\|b\\\\ |\n");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let mut table = Table::new(["A", "LONG"]);
        table.row(["value".into(), "x".into()]);
        assert_eq!(table.render(false), "A      LONG\nvalue  x\n");
    }
}
