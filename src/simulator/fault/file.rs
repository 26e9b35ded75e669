//! A file of rules: TOML, a table `[[rule]]` for each.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::FaultRule;
use super::read::{RuleError, Scalar, read_rule};
use super::rules::Rules;

/// One thing wrong with a file of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub error: RuleError,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RuleError { field, message, mend } = &self.error;
        write!(formatter, "{}: {field}: {message}\n    {mend}", self.line)
    }
}

/// The rules that stand in `text`, in order. `keys` are the names of the keys that there are.
///
/// # Errors
///
/// All that is wrong with the text, by line.
pub fn read_file(text: &str, keys: &[&str]) -> Result<Vec<FaultRule>, Vec<FileProblem>> {
    let line = |offset: usize| text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
    let problem = |offset: usize, field: &str, message: &str, mend: &str| FileProblem {
        line: line(offset),
        error: RuleError { field: field.to_owned(), message: message.to_owned(), mend: mend.to_owned() },
    };
    let root = DeTable::parse(text).map_err(|error| {
        let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        let start = error.span().map_or(0, |span| span.start);
        let mend = "write `[[rule]]`, and below it `name = value` with text in double quotes";
        vec![problem(start, "file", &format!("is not valid TOML: {message}"), mend)]
    })?;

    let (mut rules, mut problems) = (Vec::new(), Vec::new());
    for (name, value) in root.get_ref() {
        let tables = match value.get_ref() {
            DeValue::Array(tables) if name.get_ref() == "rule" => tables,
            DeValue::Array(_) | DeValue::Table(_) => {
                let mend = "begin each rule with `[[rule]]`, in two pairs of brackets";
                problems.push(problem(name.span().start, name.get_ref(), "is no list of rules", mend));
                continue;
            }
            _ => {
                let mend = "put it below a line `[[rule]]`";
                problems.push(problem(name.span().start, name.get_ref(), "stands outside of a rule", mend));
                continue;
            }
        };
        for table in tables {
            let DeValue::Table(fields) = table.get_ref() else {
                problems.push(problem(table.span().start, "rule", "is no table", "begin each rule with `[[rule]]`"));
                continue;
            };
            let place: HashMap<&str, usize> =
                fields.iter().map(|(name, _)| (name.get_ref().as_ref(), name.span().start)).collect();
            let place = |error: RuleError| {
                let offset = place.get(error.field.as_str()).copied().unwrap_or(table.span().start);
                FileProblem { line: line(offset), error }
            };
            let fields: BTreeMap<String, Scalar> =
                fields.iter().map(|(name, value)| (name.get_ref().to_string(), scalar(value.get_ref()))).collect();
            let read = read_rule(fields).and_then(|rule| match rule.check_key(keys.iter().copied()) {
                Ok(()) => Ok(rule),
                Err(error) => Err(vec![error]),
            });
            match read {
                Ok(rule) => rules.push(rule),
                Err(errors) => problems.extend(errors.into_iter().map(place)),
            }
        }
    }
    if rules.len() > Rules::MOST {
        problems.push(problem(0, "rule", "there are too many", &format!("keep {} at most", Rules::MOST)));
    }
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() { Ok(rules) } else { Err(problems) }
}

fn scalar(value: &DeValue<'_>) -> Scalar {
    match value {
        DeValue::String(text) => Scalar::Text(text.to_string()),
        DeValue::Boolean(flag) => Scalar::Flag(*flag),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Scalar::Other, Scalar::Number)
        }
        _ => Scalar::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;
    use proptest::prelude::*;

    use super::super::Fault;
    use super::*;

    const KEYS: [&str; 2] = ["acme", "all"];

    #[test]
    fn rules_are_read_in_order() {
        let text = "# comment\n[[rule]]\nfault = \"delay-head\"\nmilliseconds = 1_500\nkey = \"acme\"\n\n\
                    [[rule]]\nfault = \"reset\"\nexecuted = true\nmethod = \"PUT\"\nskip = 0x1\ntimes = 1\n";
        let expected = [
            FaultRule::new(Fault::DelayHead(Duration::from_millis(1500))).key("acme"),
            FaultRule::new(Fault::Reset { executed: true }).method(Method::PUT).skip(1).once(),
        ];
        assert_eq!(read_file(text, &KEYS).unwrap(), expected);
        assert_eq!(read_file("", &KEYS).unwrap(), []);
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        let text = "fault = \"reset\"\n[[rule]]\nfault = \"reset\"\nexecuted = 1\nbytes = 2\n\n\
                    [[rule]]\nfault = \"truncate\"\n\n[[rule]]\nfault = \"garbage\"\nkey = \"acne\"\n";
        let problems = read_file(text, &KEYS).unwrap_err();
        let told: Vec<(usize, &str)> =
            problems.iter().map(|problem| (problem.line, problem.error.field.as_str())).collect();
        assert_eq!(told, [(1, "fault"), (4, "executed"), (5, "bytes"), (7, "bytes"), (12, "key")]);
        assert!(problems[4].to_string().ends_with("did you mean `acme`?"), "{}", problems[4]);
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_line() {
        let problems = read_file("[[rule]]\nfault = reset\n", &KEYS).unwrap_err();
        assert_eq!((problems.len(), problems[0].line), (1, 2));
        assert_eq!(read_file("rule = 1\n", &KEYS).unwrap_err()[0].line, 1);
        assert_eq!(read_file("rule = [1]\n", &KEYS).unwrap_err()[0].error.message, "is no table");
    }

    proptest! {
        #[test]
        fn any_text_is_rules_or_has_problems_on_its_lines(
            lines in proptest::collection::vec(
                prop_oneof![
                    Just("[[rule]]".to_owned()),
                    Just("fault = \"reset\"".to_owned()),
                    "[a-z_]{1,8} = (1|-5|0x1f|true|\"[a-z/]*\"|\\[\\]|1.5|2026-11-20)",
                    ".*",
                ],
                0..8,
            ),
        ) {
            let text = lines.join("\n");
            if let Err(problems) = read_file(&text, &KEYS) {
                let last = text.split('\n').count();
                prop_assert!(!problems.is_empty());
                prop_assert!(problems.iter().all(|problem| (1..=last).contains(&problem.line)), "{:?}", problems);
            }
        }
    }

    #[test]
    fn there_is_an_end_to_rules() {
        let text = "[[rule]]\nfault = \"garbage\"\n".repeat(Rules::MOST + 1);
        assert!(read_file(&text, &KEYS).unwrap_err()[0].error.message.contains("too many"));
    }
}
