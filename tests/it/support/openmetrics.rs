//! A strict reader of the text format of `OpenMetrics` 1.0: whatever the specification does not allow fails the test.
//! It shares no code with the library that writes the text.

use std::collections::{BTreeMap, BTreeSet};

/// Everything that a gateway exposes at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) families: BTreeMap<String, Family>,
    /// By name and labels, in the order of names.
    pub(crate) samples: BTreeMap<Series, f64>,
}

/// What stands before the samples of one name.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) unit: Option<String>,
}

/// A sample's name, and its labels in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
}

impl std::fmt::Display for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels: Vec<String> = self.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        write!(f, "{}{{{}}}", self.name, labels.join(","))
    }
}

fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    first && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

impl Page {
    pub(crate) fn read(text: &str) -> Self {
        let text = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
        let mut page = Self::default();
        let mut current: Option<(String, Family)> = None;
        for line in text.split_terminator('\n') {
            assert!(!line.is_empty() && line.is_ascii() && !line.contains('\r'), "{line:?}");
            let Some(comment) = line.strip_prefix("# ") else {
                let (name, family) = current.as_ref().unwrap_or_else(|| panic!("before any family: {line}"));
                page.sample(line, name, family);
                continue;
            };
            let mut words = comment.splitn(3, ' ');
            let [word, name, rest] = [(); 3].map(|()| words.next().unwrap_or_else(|| panic!("{line}")));
            match word {
                "HELP" => {
                    page.end_family(current.take());
                    assert!(is_name(name), "{line}");
                    assert!(rest.len() > 5 && !rest.contains(['\\', '"']), "{line}");
                    let family = Family { kind: String::new(), help: rest.to_owned(), unit: None };
                    current = Some((name.to_owned(), family));
                }
                "TYPE" | "UNIT" => {
                    let (family_name, family) = current.as_mut().unwrap_or_else(|| panic!("{line}"));
                    assert_eq!(name, family_name, "{line}");
                    if word == "TYPE" {
                        assert!(family.kind.is_empty() && family.unit.is_none(), "twice, or too late: {line}");
                        assert!(["counter", "gauge", "histogram", "info"].contains(&rest), "{line}");
                        rest.clone_into(&mut family.kind);
                    } else {
                        assert!(!family.kind.is_empty() && family.unit.is_none(), "twice, or too early: {line}");
                        assert!(name.ends_with(&format!("_{rest}")), "the name lacks its unit: {line}");
                        family.unit = Some(rest.to_owned());
                    }
                }
                _ => panic!("{line}"),
            }
        }
        page.end_family(current);
        page.check_histograms();
        page
    }

    fn end_family(&mut self, family: Option<(String, Family)>) {
        let Some((name, family)) = family else { return };
        assert!(!family.kind.is_empty(), "{name} has no type");
        assert!(!name.ends_with("_total") && !name.ends_with("_info"), "{name} ends as its samples do");
        let seconds = name.contains("_seconds") || name.contains("_bytes");
        assert_eq!(seconds, matches!(family.unit.as_deref(), Some("seconds" | "bytes")), "{name}");
        assert!(self.families.insert(name.clone(), family).is_none(), "{name} stands twice");
    }

    fn sample(&mut self, line: &str, name: &str, family: &Family) {
        let (series, value) = read_sample(line);
        let suffixes: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_sum", "_count"],
            kind => panic!("{kind}"),
        };
        let suffix = series.name.strip_prefix(name).unwrap_or_else(|| panic!("not of {name}: {line}"));
        assert!(suffixes.contains(&suffix), "{line}");
        assert_eq!(series.labels.contains_key("le"), suffix == "_bucket", "{line}");
        assert!(value.is_finite(), "{line}");
        assert!(family.kind == "gauge" || value >= 0.0, "{line}");
        assert!(family.kind != "info" || value.to_bits() == 1.0_f64.to_bits(), "{line}");
        assert!(self.samples.insert(series, value).is_none(), "twice: {line}");
    }

    /// Buckets rise, end with everything, and agree with the count.
    fn check_histograms(&self) {
        let mut checked = BTreeSet::new();
        for (series, count) in self.samples.iter().filter(|(series, _)| series.name.ends_with("_seconds_count")) {
            let name = series.name.strip_suffix("_count").unwrap();
            let of = |name: String| Series { name, labels: series.labels.clone() };
            let mut buckets: Vec<(f64, f64)> = Vec::new();
            for (bucket, value) in self.samples.iter().filter(|(bucket, _)| bucket.name == format!("{name}_bucket")) {
                let mut labels = bucket.labels.clone();
                let bound = labels.remove("le").unwrap();
                if labels == series.labels {
                    let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
                    buckets.push((bound, *value));
                }
            }
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.len() > 5 && buckets.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1));
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{series}");
            let sum = self.samples[&of(format!("{name}_sum"))];
            assert!(*count > 0.0 || sum.to_bits() == 0, "{series}");
            checked.insert(name.to_owned());
        }
        let others = self.samples.keys().filter_map(|series| {
            let name = ["_bucket", "_sum"].iter().find_map(|suffix| series.name.strip_suffix(suffix))?;
            Some(name.to_owned())
        });
        assert_eq!(checked, others.collect());
    }

    /// The value of a series, by its name without the gateway's prefix and its labels as `name=value,name=value`.
    pub(crate) fn value(&self, wanted: &str) -> Option<f64> {
        let prefixed = format!("clickbank_gateway_{wanted}");
        let wanted = if wanted.starts_with("process_") { wanted } else { &prefixed };
        let wanted = if wanted.contains('{') { wanted.to_owned() } else { format!("{wanted}{{}}") };
        self.samples.iter().find(|(series, _)| series.to_string() == wanted).map(|(_, value)| *value)
    }

    /// What has grown since `before`, by how much: counts, and how often was timed, but nothing of the process.
    pub(crate) fn grown_since(&self, before: &Self) -> Vec<String> {
        let counts = self.samples.iter().filter_map(|(series, value)| {
            let short = series.to_string();
            let short = short.strip_prefix("clickbank_gateway_")?;
            let is_count = series.name.ends_with("_total") || series.name.ends_with("_seconds_count");
            let grown = value - before.samples.get(series).copied().unwrap_or_default();
            assert!(!is_count || grown >= 0.0, "{series} has shrunk");
            (is_count && grown > 0.0).then(|| format!("{} +{grown}", short.replace("{}", "")))
        });
        let gone = before.samples.keys().find(|series| !self.samples.contains_key(series));
        assert!(gone.is_none_or(|gone| !gone.name.ends_with("_total")), "{gone:?} is gone");
        counts.collect()
    }
}

/// `name{label="value",…} value`, and nothing more: no time, no exemplar.
fn read_sample(line: &str) -> (Series, f64) {
    let (head, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
    let value = value.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
    let (name, mut rest) = match head.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"))),
        None => (head, ""),
    };
    assert!(is_name(name), "{line}");
    assert!(head.contains("{}") || !head.ends_with("{}"), "{line}");
    let mut labels = BTreeMap::new();
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        assert!(is_name(label), "{line}");
        // No value that we know needs to be escaped, so one that is was made up by somebody.
        let (value, after) = after.split_once('"').unwrap_or_else(|| panic!("{line}"));
        assert!(!value.contains('\\'), "{line}");
        assert!(labels.insert(label.to_owned(), value.to_owned()).is_none(), "{label} stands twice: {line}");
        rest = after.strip_prefix(',').unwrap_or(after);
        assert!(rest.is_empty() || after.starts_with(','), "{line}");
    }
    (Series { name: name.to_owned(), labels }, value)
}

#[test]
fn what_is_no_open_metrics_is_not_read() {
    let right =
        "# HELP a_seconds A time\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds{b=\"c\"} 1\n# EOF\n";
    assert_eq!(Page::read(right).samples.len(), 1);
    for (old, new) in [
        ("# EOF\n", ""),
        ("# EOF\n", "# EOF\n\n"),
        ("# EOF", "\n# EOF"),
        ("# HELP a_seconds A time\n", ""),
        ("# TYPE a_seconds gauge\n", ""),
        ("# UNIT a_seconds seconds\n", ""),
        ("gauge", "counter"),
        ("gauge", "gouge"),
        ("{b=\"c\"} 1", "{b=\"c\"} 1 2"),
        ("{b=\"c\"} 1", "{b=\"c\"} x"),
        ("{b=\"c\"}", "{b=\"c\",b=\"d\"}"),
        ("{b=\"c\"}", "{b=c}"),
        ("{b=\"c\"}", "{b=\"c\"d=\"e\"}"),
        ("{b=\"c\"}", "{B=\"c\"}"),
        ("# EOF", "a_seconds{b=\"c\"} 2\n# EOF"),
        ("# EOF", "other 2\n# EOF"),
        ("# EOF", "# HELP a_seconds A time\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# EOF"),
        ("} 1", "} NaN"),
    ] {
        let wrong = right.replacen(old, new, 1);
        assert_ne!(wrong, right);
        assert!(std::panic::catch_unwind(|| Page::read(&wrong)).is_err(), "{wrong}");
    }
}
