//! The examples in `config/` work as they stand, show every option with its true default, and lend no more when
//! something is left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clickbank_gateway::config::{self, Config, Secrets};
use clickbank_gateway::domain::call::Call;
use clickbank_gateway::domain::decision::{Decision, Denial};
use clickbank_gateway::domain::endpoint::{Changes, Endpoint, Owner, PathValue, Segment};
use clickbank_gateway::domain::matrix::{CallerId, Named};

mod leaving_out;

fn config_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

/// Every `gateway.toml` below `config/`, however deep.
fn examples() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![config_directory()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.file_name().is_some_and(|name| name == "gateway.toml") {
                found.push(path);
            }
        }
    }
    assert!(found.len() >= 2, "{found:?}");
    found
}

fn load(path: &Path) -> Config {
    match config::load(path, Secrets::Skip) {
        Ok((config, warnings)) => {
            assert!(warnings.is_empty(), "{warnings:#?}");
            config
        }
        Err(findings) => panic!("{findings:#?}"),
    }
}

#[test]
fn every_example_loads_without_a_warning() {
    for path in examples() {
        let config = load(&path);
        assert!(!config.snapshot.keys.is_empty(), "{} has keys", path.display());
        assert!(!config.snapshot.policy.credentials.is_empty(), "{} has credentials", path.display());
    }
}

#[test]
fn every_toml_file_among_the_examples_belongs_to_a_pair() {
    for path in examples() {
        let directory = path.parent().unwrap();
        let names: BTreeSet<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["gateway.toml", "keys.toml"].map(str::to_owned).into(), "{}", directory.display());
    }
}

/// A value that a variable of a path can have.
fn path_value(value: PathValue) -> &'static str {
    match value {
        PathValue::Receipt => "ABCD1234",
        PathValue::TicketId => "4711",
        PathValue::Sku | PathValue::Word => "item-1",
        PathValue::Role => "VENDOR",
        PathValue::Dimension => "AFFILIATE",
    }
}

/// A request to an endpoint with what it requires and nothing else, about `nickname` where it has to name one.
fn plain_request(endpoint: &Endpoint, nickname: &str) -> String {
    let mut target = String::from("/rest/1.3");
    for segment in endpoint.path.segments() {
        target.push('/');
        target.push_str(match segment {
            Segment::Literal(text) => text,
            Segment::Variable { value, .. } => path_value(*value),
        });
    }
    let owner = match endpoint.owner {
        Owner::Parameter(position) => Some(position),
        _ => None,
    };
    let parameters = endpoint.parameters.iter().enumerate().filter(|(_, parameter)| parameter.required);
    for (number, (position, parameter)) in parameters.enumerate() {
        let first = parameter.values.first().map_or("2026-11-01", String::as_str);
        let value = if owner == Some(position) { nickname } else { first };
        target.push_str(&format!("{}{}={value}", if number == 0 { '?' } else { '&' }, parameter.name));
    }
    target
}

/// What the live path decides about a request.
fn decide(config: &Config, caller: CallerId, endpoint: &Endpoint, target: &str, named: Named) -> Decision {
    let policy = &config.snapshot.policy;
    let call = Call::read(&policy.catalogue, endpoint.method.as_str(), target)
        .unwrap_or_else(|error| panic!("{} {target}: {error:?}", endpoint.name));
    assert_eq!(policy.catalogue.endpoint(call.endpoint()).unwrap().name, endpoint.name);
    policy.decide(caller, endpoint, &call, &policy.resolve(caller, endpoint, &call, named))
}

#[test]
fn in_every_example_each_caller_reads_all_that_it_is_granted_behind_a_credential_of_exactly_that_reach() {
    for path in examples() {
        let config = load(&path);
        let policy = &config.snapshot.policy;
        assert_eq!(policy.missing_credentials(policy.matrix.callers()), [], "{}", path.display());
        let mut allowed = 0;
        for (caller, key) in config.snapshot.keys.iter() {
            let reads = policy.catalogue.iter().map(|(_, endpoint)| endpoint);
            let reads =
                reads.filter(|endpoint| endpoint.changes == Changes::Nothing && endpoint.owner != Owner::Credential);
            for endpoint in reads {
                let granted = policy.matrix.allowed(caller, endpoint.permissions);
                for nickname in policy.nicknames.names(granted.declared()) {
                    let target = plain_request(endpoint, nickname);
                    let about = format!("{}: {} GET {target}", path.display(), key.name);
                    let Decision::Allow(allowance) = decide(&config, caller, endpoint, &target, Named::Nothing) else {
                        panic!("{about} is not allowed");
                    };
                    let reach = policy.credentials.reach(allowance.credential.unwrap(), endpoint.permissions);
                    assert_eq!(reach, granted, "{about}");
                    allowed += 1;
                }
                if granted.is_empty() && endpoint.owner != Owner::Document {
                    let decision = decide(&config, caller, endpoint, &plain_request(endpoint, "acme"), Named::Nothing);
                    let missing = matches!(decision, Decision::Deny(Denial::PermissionMissing { .. }));
                    assert!(missing, "{}: {} {}: {decision:?}", path.display(), key.name, endpoint.name);
                }
            }
        }
        assert!(allowed > 20, "{} shows something", path.display());
    }
}

/// The option that a commented-out line shows, if it shows one.
fn commented_out(line: &str) -> Option<&str> {
    let text = line.strip_prefix("# ")?;
    let name = text.split_once(" = ").map(|(name, _)| name.trim_matches('"'));
    let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    (name.is_some_and(plain) || (text.starts_with('[') && text.ends_with(']'))).then_some(text)
}

/// Everything of a configuration that a default can be seen in.
fn facts(config: &Config) -> String {
    let upstream = &config.upstream;
    format!(
        "{} {} {} {:?} {:?} {} {} {} {:?} {:?} {:?}",
        config.listen.address,
        config.health,
        upstream.authority,
        upstream.connect_timeout,
        upstream.response_timeout,
        upstream.retries,
        upstream.max_answer,
        upstream.answer_memory,
        config.state,
        config.snapshot.limits,
        config.snapshot.probes,
    )
}

/// `text` as a configuration in a directory of its own, with the keys of the first example.
fn load_text(text: &str) -> Config {
    let directory = tempfile::tempdir().unwrap();
    let authority = rcgen::generate_simple_self_signed(vec!["ca.test".to_owned()]).unwrap();
    fs::write(directory.path().join("ca.pem"), authority.cert.pem()).unwrap();
    fs::copy(config_directory().join("keys.toml"), directory.path().join("keys.toml")).unwrap();
    let file = directory.path().join("gateway.toml");
    fs::write(&file, text.replace("/etc/clickbank-gateway/extra-ca.pem", "ca.pem")).unwrap();
    load(&file)
}

#[test]
fn what_the_example_shows_commented_out_is_an_option_with_its_default() {
    // These have no default, so that an example stands there.
    let examples = ["state", "tls", "ca_file", "developer_key", "every"];
    let text = fs::read_to_string(config_directory().join("gateway.toml")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let as_it_is = facts(&load_text(&text));
    let mut seen = Vec::new();
    let mut number = 0;
    while let Some(line) = lines.get(number) {
        number += 1;
        let Some(option) = commented_out(line) else { continue };
        let mut edited = lines.clone();
        edited[number - 1] = option;
        if option.starts_with('[') {
            // The lines below a section belong to it.
            while let Some(option) = lines.get(number).and_then(|line| commented_out(line)) {
                edited[number] = option;
                number += 1;
            }
            load_text(&edited.join("\n"));
            continue;
        }
        let config = load_text(&edited.join("\n"));
        let name = option.split(" = ").next().unwrap();
        if !examples.contains(&name) {
            assert_eq!(facts(&config), as_it_is, "`{option}` is not the default");
        }
        seen.push(name);
    }
    assert!(seen.len() >= 10 && examples.iter().all(|name| seen.contains(name)), "{seen:?}");

    let all: Vec<&str> = lines.iter().map(|line| commented_out(line).unwrap_or(line)).collect();
    let config = load_text(&all.join("\n"));
    let catalogue = &config.snapshot.policy.catalogue;
    assert!(catalogue.named("orders2.notes").is_some_and(|(_, endpoint)| endpoint.added));
    let (list, _) = catalogue.named("orders2.list").unwrap();
    assert!(
        catalogue.extra_parameter(list, "account").is_some()
            && catalogue.extra_parameter(list, "cachebuster").is_some()
    );
}

#[test]
fn the_example_shows_every_option_that_there_is() {
    let text = fs::read_to_string(config_directory().join("gateway.toml")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::copy(config_directory().join("keys.toml"), directory.path().join("keys.toml")).unwrap();
    let file = directory.path().join("gateway.toml");
    for section in [
        "",
        "[listen]",
        "[health]",
        "[upstream]",
        "[limits]",
        "[probes]",
        "[credentials.acme]",
        "[credentials.acme.reach]",
    ] {
        // An option that cannot exist is answered with those that do.
        let edited = match section {
            "" => format!("zzzzzzzz = 1\n{text}"),
            _ => text.replacen(&format!("\n{section}\n"), &format!("\n{section}\nzzzzzzzz = 1\n"), 1),
        };
        fs::write(&file, edited).unwrap();
        let findings = config::load(&file, Secrets::Skip).unwrap_err();
        assert_eq!(findings.errors.len(), 1, "{findings:#?}");
        let mend = &findings.errors[0].mend;
        let options: Vec<&str> = mend.split('`').skip(1).step_by(2).collect();
        assert!(!options.is_empty(), "{mend}");
        for option in options {
            let shown = |line: &str| {
                let line = line.strip_prefix("# ").unwrap_or(line);
                let mut section = line.trim_matches(['[', ']']).split('.');
                line.starts_with(&format!("{option} = "))
                    || (line.starts_with('[') && section.any(|word| word == option))
            };
            let mentioned = section == "[credentials.acme.reach]" && text.contains(option);
            assert!(mentioned || text.lines().any(shown), "config/gateway.toml does not show `{option}` of {section}");
        }
    }
}
