use serde_json::json;

use super::{accepted, errors, minimal, only_error, refused, warnings, with};
use crate::manifest::{ByteSize, Manifest, ProblemCode, Severity};

#[test]
fn the_least_package_gets_every_default() {
    let manifest = accepted(&minimal());
    assert_eq!(manifest.name.as_str(), "hello");
    assert_eq!(manifest.main.as_str(), "index.js");
    assert_eq!(manifest.description, None);
    assert_eq!(manifest.links, []);
    assert_eq!(manifest.triggers, []);
    assert_eq!(manifest.action, crate::manifest::ActionConfig::default());
}

#[test]
fn npms_own_fields_are_not_jobbers_business() {
    let mut document = minimal();
    document["type"] = json!("module");
    document["scripts"] = json!({ "build": "tsc" });
    document["dependencies"] = json!({ "hono": "4" });
    document["engines"] = json!({ "node": ">=20", "npm": 10 });
    accepted(&document);
}

#[test]
fn every_fault_of_a_package_is_reported_at_once() {
    let document = json!({
        "name": "Hello World",
        "main": 7,
        "engines": { "node": "18" },
        "links": [{ "name": "Docs", "url": "javascript:alert(1)" }, { "url": "https://example.org" }],
        "action": { "runnerTimeout": "60", "runnerMinCount": -1, "runnerMode": "sometimes", "queue": { "length": 1.5 } },
        "triggers": [
            { "type": "http", "path": "users", "method": "*", "hostname": "*.example.org" },
            { "type": "cron" },
            { "type": "schedule", "cron": "0 25 * * *", "timezone": "Mars/Olympus" },
            { "type": "mqtt", "topics": ["a/#/b", 7], "connection": { "host": "h", "port": "0" }, "qos": 3 },
            "http"
        ]
    });
    assert_eq!(
        errors(&document),
        [
            ("/name", ProblemCode::InvalidValue),
            ("/version", ProblemCode::Missing),
            ("/main", ProblemCode::WrongType),
            ("/engines/node", ProblemCode::UnknownRuntime),
            ("/links/0/url", ProblemCode::InvalidValue),
            ("/links/1/name", ProblemCode::Missing),
            ("/action/runnerMinCount", ProblemCode::OutOfRange),
            ("/action/runnerTimeout", ProblemCode::WrongType),
            ("/action/runnerMode", ProblemCode::InvalidValue),
            ("/action/queue/length", ProblemCode::WrongType),
            ("/triggers/0/hostname", ProblemCode::InvalidValue),
            ("/triggers/0/method", ProblemCode::InvalidValue),
            ("/triggers/0/path", ProblemCode::InvalidValue),
            ("/triggers/1/type", ProblemCode::InvalidValue),
            ("/triggers/2/cron", ProblemCode::InvalidValue),
            ("/triggers/2/timezone", ProblemCode::InvalidValue),
            ("/triggers/3/topics/0", ProblemCode::InvalidValue),
            ("/triggers/3/topics/1", ProblemCode::WrongType),
            ("/triggers/3/qos", ProblemCode::OutOfRange),
            ("/triggers/3/connection/port", ProblemCode::InvalidValue),
            ("/triggers/4", ProblemCode::WrongType),
        ]
        .map(|(pointer, code)| (pointer.to_owned(), code))
    );
    let text = refused(&document).to_string();
    assert!(
        text.contains("/action/runnerTimeout: must be a number, not a string"),
        "{text}"
    );
    assert!(text.contains("(position 2)"), "{text}");
}

#[test]
fn an_unknown_field_is_a_warning_with_the_name_that_was_meant() {
    let document = json!({
        "name": "hello", "version": "1", "main": "./index.js",
        "action": { "runnerTimout": 5, "retries": { "Max": 2 }, "zzz": 1, "a/b~c": 1 },
        "triggers": [{ "type": "http", "host": "example.org" }],
    });
    let found: Vec<_> = warnings(&document)
        .into_iter()
        .map(|warning| (warning.pointer, warning.message))
        .collect();
    let ignored = "is not known to Jobber and ignored";
    assert_eq!(
        found,
        [
            (
                "/action/retries/Max".to_owned(),
                format!("{ignored}; did you mean `max`?")
            ),
            ("/action/a~1b~0c".to_owned(), ignored.to_owned()),
            (
                "/action/runnerTimout".to_owned(),
                format!("{ignored}; did you mean `runnerTimeout`?")
            ),
            ("/action/zzz".to_owned(), ignored.to_owned()),
            ("/triggers/0/host".to_owned(), ignored.to_owned()),
        ]
    );
}

#[test]
fn null_is_the_same_as_absent() {
    let mut document = with("action", json!(null));
    document["triggers"] = json!([{ "type": "http", "name": null, "path": null }]);
    accepted(&document);
    document["version"] = json!(null);
    only_error(&document, "/version", ProblemCode::Missing);
}

#[test]
fn a_byte_order_mark_is_tolerated_and_other_bytes_are_not() {
    let text = minimal().to_string();
    let marked = [b"\xEF\xBB\xBF", text.as_bytes()].concat();
    assert!(Manifest::parse(&marked).is_ok());
    for (bytes, place) in [
        (&b"{\n  \"name\": hello }"[..], "line 2 column"),
        (b"\xFF", "line 1"),
        (b"", "EOF"),
    ] {
        let problems = Manifest::parse(bytes).expect_err("no JSON").problems;
        assert_eq!((problems.len(), problems[0].code), (1, ProblemCode::InvalidJson));
        assert!(problems[0].message.contains(place), "{}", problems[0].message);
    }
    only_error(&json!([]), "", ProblemCode::WrongType);
}

#[test]
fn a_document_that_is_too_large_or_too_deep_is_refused_before_it_costs_anything() {
    let most = usize::try_from(Manifest::MAX_SIZE.bytes()).expect("fits");
    assert_eq!(Manifest::MAX_SIZE, ByteSize::from_mebibytes(1));
    let mut bytes = minimal().to_string().into_bytes();
    bytes.resize(most, b' ');
    assert!(Manifest::parse(&bytes).is_ok());
    bytes.push(b' ');
    assert_eq!(
        Manifest::parse(&bytes).expect_err("too large").problems[0].code,
        ProblemCode::TooLarge
    );
    let deep = "[".repeat(100_000);
    assert_eq!(
        Manifest::parse(deep.as_bytes()).expect_err("too deep").problems[0].code,
        ProblemCode::InvalidJson
    );
}

#[test]
fn a_hopeless_document_is_not_answered_with_a_book() {
    let triggers: Vec<_> = (0..1_000)
        .map(|_| json!({ "type": "http", "path": "x" }))
        .collect();
    let problems = refused(&with("triggers", json!(triggers))).problems;
    assert_eq!(problems.len(), 101);
    assert_eq!(
        (problems[100].code, problems[100].severity),
        (ProblemCode::More, Severity::Error)
    );
    let too_many: Vec<_> = (0..1_001).map(|_| json!({ "type": "http" })).collect();
    only_error(
        &with("triggers", json!(too_many)),
        "/triggers",
        ProblemCode::OutOfRange,
    );
}
