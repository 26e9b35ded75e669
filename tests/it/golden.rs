//! Text that people read, held as golden files in `tests/data/configs` and reviewed like code.

/// Compares `text`, but for blanks at the ends of lines, with `tests/data/configs/{name}.snap`. `INSTA_UPDATE=always` writes it anew.
pub(crate) fn assert_golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../data/configs");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    settings.bind(|| insta::assert_snapshot!(name, text));
}
