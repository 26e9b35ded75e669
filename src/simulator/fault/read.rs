//! Rules as they are written: names with a text, a number or a flag, in a JSON object or a TOML table.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::{Method, StatusCode};
use serde::Serialize;

use super::{EchoForm, Fault, FaultPath, FaultRule};

/// The longest delay: an hour.
const MOST_MILLISECONDS: u64 = 3_600_000;
/// The most bytes of an endless body: 16 GiB.
const MOST_ENDLESS_BYTES: u64 = 16 << 30;
/// The most bytes, headers, or levels of what is held in memory.
const MOST_BYTES: u64 = 64 << 20;
const MOST_ITEMS: u64 = 1_000_000;
/// What TOML and JSON agree on.
const MOST: u64 = i64::MAX as u64;

/// The fields that every rule may have.
const COMMON: [&str; 7] = ["fault", "method", "path", "path_prefix", "key", "skip", "times"];

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(in crate::simulator) enum Scalar {
    Text(String),
    Number(i64),
    Flag(bool),
    /// Anything else; no field has such a value.
    Other,
}

impl Scalar {
    pub(super) fn from_count(count: usize) -> Self {
        Self::Number(i64::try_from(count).unwrap_or(i64::MAX))
    }

    pub(super) fn from_delay(delay: Duration) -> Self {
        Self::Number(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX))
    }
}

/// One thing wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleError {
    /// The field that it is about, or that is missing.
    pub field: String,
    /// What is wrong, as a sentence without its full stop.
    pub message: String,
    /// What to do about it, as a sentence without its full stop.
    pub mend: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; {}", self.field, self.message, self.mend)
    }
}

impl std::error::Error for RuleError {}

impl FaultRule {
    /// Refuses a rule for a key that there is not: it would never act.
    pub(in crate::simulator) fn check_key<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), RuleError> {
        let names: Vec<&str> = names.into_iter().collect();
        match &self.key {
            Some(key) if !names.contains(&key.as_str()) => Err(RuleError {
                field: "key".to_owned(),
                message: "no key has this name".to_owned(),
                mend: choices(key, &names),
            }),
            _ => Ok(()),
        }
    }
}

/// The rule that `fields` are, or all that is wrong with it.
pub(in crate::simulator) fn read_rule(fields: BTreeMap<String, Scalar>) -> Result<FaultRule, Vec<RuleError>> {
    let mut reader = Reader { fields, errors: Vec::new() };
    let kinds = Fault::KINDS.map(|(name, _)| name);
    let Some(name) = reader.text("fault", &format!("say what goes wrong: one of {}", quoted(&kinds))) else {
        return Err(reader.errors);
    };
    let Some((kind, own)) = Fault::KINDS.into_iter().find(|(kind, _)| *kind == name) else {
        return Err(vec![RuleError {
            field: "fault".to_owned(),
            message: "no fault has this name".to_owned(),
            mend: choices(&name, &kinds),
        }]);
    };
    let fault = reader.fault(kind);
    let rule = reader.rest(fault.unwrap_or(Fault::Garbage));
    let known: Vec<&str> = own.iter().chain(&COMMON).copied().collect();
    reader.unknown(&known);
    if reader.errors.is_empty() { Ok(rule) } else { Err(reader.errors) }
}

struct Reader {
    fields: BTreeMap<String, Scalar>,
    errors: Vec<RuleError>,
}

impl Reader {
    /// The fault of this name; `None` where there is an error, which is then among `errors`.
    fn fault(&mut self, kind: &str) -> Option<Fault> {
        let fault = match kind {
            "delay-head" => Fault::DelayHead(self.delay()?),
            "delay-body" => Fault::DelayBody(self.delay()?),
            "drip-body" => {
                let pause = self.delay();
                let bytes = self.size("bytes", 1..=MOST_BYTES, Some(1))?;
                Fault::DripBody { bytes, pause: pause? }
            }
            "hang" => Fault::Hang { executed: self.flag("executed", false)? },
            "hang-after" => Fault::HangAfter(self.size("bytes", 0..=MOST_BYTES, None)?),
            "reset" => Fault::Reset { executed: self.flag("executed", false)? },
            "reset-after" => Fault::ResetAfter(self.size("bytes", 0..=MOST_BYTES, None)?),
            "close" => Fault::Close { executed: self.flag("executed", false)? },
            "truncate" => Fault::Truncate(self.size("bytes", 0..=MOST_BYTES, None)?),
            "status" => {
                let status = self.status(400..=599, None);
                let text = self.optional_text("text");
                let executed = self.flag("executed", false)?;
                let status = status?;
                let text = text.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().to_owned());
                Fault::Status { status, text, executed }
            }
            "redirect" => {
                let status = self.status(300..=399, Some(302));
                let location = self.line("location", "say where to, such as `https://example.com/`");
                Fault::Redirect { status: status?, location: location? }
            }
            "garbage" => Fault::Garbage,
            "bare-lf" => Fault::BareLf,
            "obs-fold" => Fault::ObsFold,
            "two-lengths" => Fault::TwoLengths,
            "same-length-twice" => Fault::SameLengthTwice,
            "length-and-chunked" => Fault::LengthAndChunked,
            "large-head" => Fault::LargeHead(self.size("bytes", 1..=MOST_BYTES, Some(1 << 20))?),
            "many-headers" => Fault::ManyHeaders(self.size("count", 1..=MOST_ITEMS, Some(1000))?),
            "interim" => {
                let status = self.status(100..=199, Some(103));
                let count = self.size("count", 1..=MOST_ITEMS, Some(1));
                Fault::Interim { status: status?, count: count? }
            }
            "surplus" => Fault::Surplus,
            "content-type" => Fault::ContentType(self.line("value", "say which, such as `text/html`")?),
            "charset" => Fault::Charset(self.line("value", "say which, such as `utf-16`")?),
            "gzip" => Fault::Gzip { compressed: self.flag("compressed", true)? },
            "endless-body" => Fault::EndlessBody(self.number("bytes", 1..=MOST_ENDLESS_BYTES, Some(1 << 30))?),
            "deep-nesting" => Fault::DeepNesting(self.size("depth", 1..=MOST_ITEMS, Some(100_000))?),
            "echo-header" => Fault::EchoHeader(self.form()?),
            "echo-body" => Fault::EchoBody(self.form()?),
            _ => return None,
        };
        Some(fault)
    }

    /// What every rule may say.
    fn rest(&mut self, fault: Fault) -> FaultRule {
        let method = self.optional_text("method").and_then(|text| {
            let method = Method::from_bytes(text.as_bytes()).ok().filter(|_| text == text.to_ascii_uppercase());
            if method.is_none() {
                self.error("method", "is no method", "write it in capital letters, such as `GET`");
            }
            method
        });
        let path = self.path("path");
        let prefix = self.path("path_prefix");
        if path.is_some() && prefix.is_some() {
            self.error("path_prefix", "stands beside `path`", "keep one of the two");
        }
        let path = path.map(FaultPath::Is).or(prefix.map(FaultPath::StartsWith));
        let key = self.optional_text("key");
        let skip = self.number("skip", 0..=MOST, Some(0)).unwrap_or_default();
        let times = if self.fields.contains_key("times") { self.number("times", 1..=MOST, None) } else { None };
        FaultRule { fault, method, path, key, skip, times: times.and_then(NonZeroU64::new) }
    }

    fn path(&mut self, name: &str) -> Option<String> {
        let text = self.optional_text(name)?;
        if !text.starts_with('/') {
            self.error(name, "does not begin with `/`", "write it as `/rest/1.3/orders2/list`");
        } else if text.contains('?') {
            self.error(name, "has a query, which rules do not look at", "end it before the `?`");
        }
        Some(text)
    }

    fn delay(&mut self) -> Option<Duration> {
        self.number("milliseconds", 0..=MOST_MILLISECONDS, None).map(Duration::from_millis)
    }

    fn form(&mut self) -> Option<EchoForm> {
        let names = EchoForm::ALL.map(EchoForm::name);
        let written = self.optional_text("form");
        if self.fields.contains_key("form") && written.is_none() {
            return None;
        }
        let written = written.unwrap_or_else(|| EchoForm::Plain.name().to_owned());
        let form = EchoForm::ALL.into_iter().find(|form| form.name() == written);
        if form.is_none() {
            self.error("form", "is no form of an echo", &choices(&written, &names));
        }
        form
    }

    fn status(&mut self, range: RangeInclusive<u64>, default: Option<u64>) -> Option<StatusCode> {
        let number = self.number("status", range, default)?;
        let status = u16::try_from(number).ok().and_then(|number| StatusCode::from_u16(number).ok());
        if status == Some(StatusCode::SWITCHING_PROTOCOLS) {
            self.error("status", "would be the end of HTTP", "write another than 101");
            return None;
        }
        status
    }

    fn size(&mut self, name: &str, range: RangeInclusive<u64>, default: Option<u64>) -> Option<usize> {
        self.number(name, range, default).and_then(|number| usize::try_from(number).ok())
    }

    fn number(&mut self, name: &str, range: RangeInclusive<u64>, default: Option<u64>) -> Option<u64> {
        let mend = format!("write a whole number from {} to {}", range.start(), range.end());
        let problem = match self.fields.get(name) {
            None if default.is_some() => return default,
            None => "is missing",
            Some(Scalar::Number(number)) => match u64::try_from(*number).ok().filter(|number| range.contains(number)) {
                Some(number) => return Some(number),
                None => "is out of range",
            },
            Some(_) => "is no whole number",
        };
        self.error(name, problem, &mend);
        None
    }

    fn flag(&mut self, name: &str, default: bool) -> Option<bool> {
        match self.fields.get(name) {
            None => Some(default),
            Some(Scalar::Flag(flag)) => Some(*flag),
            Some(_) => {
                self.error(name, "is neither true nor false", "write `true` or `false`, without quotes");
                None
            }
        }
    }

    /// A text that goes into a header.
    fn line(&mut self, name: &str, mend: &str) -> Option<String> {
        let text = self.text(name, mend)?;
        if text.chars().any(char::is_control) {
            self.error(name, "has a control character", "leave line breaks and the like out");
            return None;
        }
        Some(text)
    }

    fn text(&mut self, name: &str, mend: &str) -> Option<String> {
        if !self.fields.contains_key(name) {
            self.error(name, "is missing", mend);
        }
        self.optional_text(name)
    }

    fn optional_text(&mut self, name: &str) -> Option<String> {
        match self.fields.get(name) {
            None => None,
            Some(Scalar::Text(text)) => Some(text.clone()),
            Some(_) => {
                self.error(name, "is no text", "write it in double quotes");
                None
            }
        }
    }

    fn unknown(&mut self, known: &[&str]) {
        let unknown: Vec<String> = self.fields.keys().filter(|name| !known.contains(&name.as_str())).cloned().collect();
        for name in unknown {
            self.error(&name, "is no field of this fault", &choices(&name, known));
        }
    }

    fn error(&mut self, field: &str, message: &str, mend: &str) {
        self.errors.push(RuleError { field: field.to_owned(), message: message.to_owned(), mend: mend.to_owned() });
    }
}

/// "did you mean …?" if something is close, else the choices there are.
pub(super) fn choices(written: &str, candidates: &[&str]) -> String {
    let distance = |candidate: &str| strsim::damerau_levenshtein(&written.to_ascii_lowercase(), candidate);
    let close = candidates.iter().filter(|candidate| distance(candidate) <= (candidate.len() / 3).max(1));
    match close.min_by_key(|candidate| distance(candidate)) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("use one of {}", quoted(candidates)),
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The fields of a JSON object.
    fn fields(json: &serde_json::Value) -> BTreeMap<String, Scalar> {
        let scalar = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => Scalar::Text(text.clone()),
            serde_json::Value::Bool(flag) => Scalar::Flag(*flag),
            value => value.as_i64().map_or(Scalar::Other, Scalar::Number),
        };
        json.as_object().unwrap().iter().map(|(name, value)| (name.clone(), scalar(value))).collect()
    }

    /// One of each kind, and no field left at its default.
    fn every_fault() -> Vec<Fault> {
        let text = || "x/y".to_owned();
        vec![
            Fault::DelayHead(Duration::from_millis(7)),
            Fault::DelayBody(Duration::from_millis(7)),
            Fault::DripBody { bytes: 7, pause: Duration::from_millis(8) },
            Fault::Hang { executed: true },
            Fault::HangAfter(7),
            Fault::Reset { executed: true },
            Fault::ResetAfter(7),
            Fault::Close { executed: true },
            Fault::Truncate(7),
            Fault::Status { status: StatusCode::BAD_GATEWAY, text: text(), executed: true },
            Fault::Redirect { status: StatusCode::PERMANENT_REDIRECT, location: text() },
            Fault::Garbage,
            Fault::BareLf,
            Fault::ObsFold,
            Fault::TwoLengths,
            Fault::SameLengthTwice,
            Fault::LengthAndChunked,
            Fault::LargeHead(7),
            Fault::ManyHeaders(7),
            Fault::Interim { status: StatusCode::CONTINUE, count: 7 },
            Fault::Surplus,
            Fault::ContentType(text()),
            Fault::Charset(text()),
            Fault::Gzip { compressed: false },
            Fault::EndlessBody(7),
            Fault::DeepNesting(7),
            Fault::EchoHeader(EchoForm::Xml),
            Fault::EchoBody(EchoForm::Percent),
        ]
    }

    #[test]
    fn every_fault_is_written_as_it_is_read() {
        let faults = every_fault();
        let names: Vec<&str> = faults.iter().map(Fault::name).collect();
        assert_eq!(names, Fault::KINDS.map(|(name, _)| name));
        for (fault, (name, own)) in faults.into_iter().zip(Fault::KINDS) {
            let written: Vec<&str> = fault.fields().iter().map(|(name, _)| *name).collect();
            assert_eq!(written, own, "{name}");
            let rule = FaultRule::new(fault).method(Method::PUT).path_prefix("/rest/").key("acme").skip(3).once();
            let fields = rule.fields().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            assert_eq!(read_rule(fields), Ok(rule), "{name}");
        }
    }

    #[test]
    fn what_may_be_left_out_has_a_default() {
        for (json, expected) in [
            (serde_json::json!({"fault": "hang"}), Fault::Hang { executed: false }),
            (
                serde_json::json!({"fault": "status", "status": 503}),
                Fault::Status {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    text: "Service Unavailable".to_owned(),
                    executed: false,
                },
            ),
            (serde_json::json!({"fault": "gzip"}), Fault::Gzip { compressed: true }),
            (serde_json::json!({"fault": "echo-body"}), Fault::EchoBody(EchoForm::Plain)),
            (serde_json::json!({"fault": "endless-body"}), Fault::EndlessBody(1 << 30)),
        ] {
            assert_eq!(read_rule(fields(&json)), Ok(FaultRule::new(expected)), "{json}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field_and_its_mend() {
        for (json, field, message, mend) in [
            (serde_json::json!({}), "fault", "is missing", "`delay-head`"),
            (serde_json::json!({"fault": 1}), "fault", "is no text", "quotes"),
            (serde_json::json!({"fault": "rest"}), "fault", "no fault", "`reset`"),
            (serde_json::json!({"fault": "reset", "bytes": 1}), "bytes", "no field", "`executed`"),
            (
                serde_json::json!({"fault": "reset", "exectued": true}),
                "exectued",
                "no field",
                "did you mean `executed`",
            ),
            (serde_json::json!({"fault": "reset", "executed": "yes"}), "executed", "neither", "`true`"),
            (serde_json::json!({"fault": "truncate"}), "bytes", "is missing", "from 0"),
            (serde_json::json!({"fault": "truncate", "bytes": -1}), "bytes", "out of range", "from 0"),
            (serde_json::json!({"fault": "truncate", "bytes": 1.5}), "bytes", "no whole number", "from 0"),
            (serde_json::json!({"fault": "status"}), "status", "is missing", "400 to 599"),
            (serde_json::json!({"fault": "status", "status": 200}), "status", "out of range", "400 to 599"),
            (serde_json::json!({"fault": "interim", "status": 101}), "status", "end of HTTP", "101"),
            (serde_json::json!({"fault": "redirect"}), "location", "is missing", "where"),
            (serde_json::json!({"fault": "redirect", "location": "a\r\nb: c"}), "location", "control", "line breaks"),
            (serde_json::json!({"fault": "delay-head", "milliseconds": 3_600_001}), "milliseconds", "range", "3600000"),
            (serde_json::json!({"fault": "echo-body", "form": "hex"}), "form", "no form", "`base64`"),
            (serde_json::json!({"fault": "garbage", "method": "get"}), "method", "no method", "capital"),
            (serde_json::json!({"fault": "garbage", "path": "rest"}), "path", "begin", "/rest/1.3/"),
            (serde_json::json!({"fault": "garbage", "path": "/rest?a=b"}), "path", "query", "`?`"),
            (serde_json::json!({"fault": "garbage", "path": "/a", "path_prefix": "/"}), "path_prefix", "beside", "one"),
            (serde_json::json!({"fault": "garbage", "times": 0}), "times", "out of range", "from 1"),
            (serde_json::json!({"fault": "garbage", "skip": []}), "skip", "no whole number", "from 0"),
        ] {
            let errors = read_rule(fields(&json)).unwrap_err();
            let [error] = errors.as_slice() else { panic!("{json}: {errors:?}") };
            assert_eq!(error.field, field, "{json}: {error}");
            assert!(error.message.contains(message) && error.mend.contains(mend), "{json}: {error}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let json = serde_json::json!({"fault": "redirect", "status": 200, "paht": "/", "times": 0});
        let errors = read_rule(fields(&json)).unwrap_err();
        let names: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(names, ["status", "location", "times", "paht"]);
    }

    fn any_scalar() -> impl Strategy<Value = Scalar> {
        let names = Fault::KINDS.map(|(name, _)| name.to_owned()).to_vec();
        prop_oneof![
            proptest::sample::select(names).prop_map(Scalar::Text),
            proptest::sample::select(vec!["GET", "/a", "/a?b", "base64", "\r\n", ""])
                .prop_map(|text| Scalar::Text(text.to_owned())),
            ".*".prop_map(Scalar::Text),
            any::<i64>().prop_map(Scalar::Number),
            (0..600_i64).prop_map(Scalar::Number),
            any::<bool>().prop_map(Scalar::Flag),
            Just(Scalar::Other),
        ]
    }

    proptest! {
        #[test]
        fn any_fields_are_a_rule_that_reads_back_or_have_a_mend(
            kind in proptest::sample::select(Fault::KINDS.to_vec()),
            own in proptest::collection::vec(any_scalar(), 3),
            others in proptest::collection::btree_map(proptest::sample::select(COMMON.to_vec()), any_scalar(), 0..3),
        ) {
            let (name, fields) = kind;
            let mut written: BTreeMap<String, Scalar> =
                others.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            written.entry("fault".to_owned()).or_insert_with(|| Scalar::Text(name.to_owned()));
            written.extend(fields.iter().zip(own).map(|(name, value)| ((*name).to_owned(), value)));
            match read_rule(written) {
                Ok(rule) => {
                    let again = rule.fields().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                    prop_assert_eq!(read_rule(again), Ok(rule));
                }
                Err(errors) => prop_assert!(!errors.is_empty() && errors.iter().all(|error| !error.mend.is_empty())),
            }
        }
    }

    #[test]
    fn a_rule_for_an_unknown_key_is_refused() {
        let rule = FaultRule::new(Fault::Garbage).key("amce");
        assert_eq!(rule.check_key(["acme", "all"]).unwrap_err().mend, "did you mean `acme`?");
        assert_eq!(rule.check_key(["amce"]), Ok(()));
        assert_eq!(FaultRule::new(Fault::Garbage).check_key([]), Ok(()));
    }
}
