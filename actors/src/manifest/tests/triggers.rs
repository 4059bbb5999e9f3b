use serde_json::{Value, json};

use super::{accepted, errors, minimal, only_error, refused, warnings, with};
use crate::manifest::{
    CatchUp, Manifest, MqttProtocol, MqttTrigger, MqttVersion, Overlap, ProblemCode, QualityOfService,
    TriggerConfig, TriggerKind,
};

fn triggers(values: Value) -> Vec<TriggerConfig> {
    accepted(&with("triggers", values)).triggers
}

fn trigger(value: Value) -> TriggerConfig {
    triggers(json!([value])).remove(0)
}

fn mqtt(value: Value) -> MqttTrigger {
    match trigger(value).kind {
        TriggerKind::Mqtt(mqtt) => *mqtt,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_http_trigger_without_settings_is_for_every_request() {
    let any = trigger(json!({ "type": "http" }));
    let TriggerKind::Http(http) = &any.kind else {
        panic!("{any:?}")
    };
    assert_eq!(http.route, crate::routing::RoutePattern::default());
    let narrow =
        trigger(json!({ "type": "http", "hostname": "Example.org:80", "method": "get", "path": "/a/:b" }));
    let TriggerKind::Http(http) = &narrow.kind else {
        panic!("{narrow:?}")
    };
    assert_eq!(http.route.to_string(), "GET example.org/a/:b");
}

#[test]
fn a_schedule_is_in_utc_unless_it_says_otherwise() {
    let plain = trigger(json!({ "type": "schedule", "cron": "*/5 * * * *" }));
    let TriggerKind::Schedule(schedule) = &plain.kind else {
        panic!("{plain:?}")
    };
    assert_eq!(
        (schedule.timezone, schedule.catch_up, schedule.overlap),
        (chrono_tz::UTC, CatchUp::None, Overlap::Allow)
    );
    let full = json!({ "type": "schedule", "cron": "0 0 8 * * MON-FRI", "timezone": "Europe/Berlin", "catchUp": "last", "overlap": "skip" });
    let full = trigger(full);
    let TriggerKind::Schedule(schedule) = &full.kind else {
        panic!("{full:?}")
    };
    assert_eq!(schedule.schedule().timezone, chrono_tz::Europe::Berlin);
    assert_eq!(
        (schedule.catch_up, schedule.overlap),
        (CatchUp::Last, Overlap::Skip)
    );
    let missing = with("triggers", json!([{ "type": "schedule" }]));
    only_error(&missing, "/triggers/0/cron", ProblemCode::Missing);
}

#[test]
fn an_mqtt_connection_is_made_of_values_and_variables() {
    let trigger = mqtt(json!({
        "type": "mqtt", "topics": ["a/+", "$share/g/b/#"], "qos": 2,
        "connection": {
            "protocol": "mqtts", "hostVariable": "broker_host", "host": "localhost", "port": "8884",
            "username": "u", "passwordVariable": "PASSWORD", "clientId": "c", "version": "5", "cleanSession": true,
        },
    }));
    let connection = &trigger.connection;
    assert_eq!(trigger.topics.len(), 2);
    assert_eq!(trigger.qos, QualityOfService::ExactlyOnce);
    assert_eq!(connection.protocol.value, Some(MqttProtocol::Mqtts));
    assert_eq!(connection.host.value.as_deref(), Some("localhost"));
    assert_eq!(
        connection.host.variable.as_ref().map(|name| name.as_str()),
        Some("BROKER_HOST")
    );
    assert_eq!(connection.port.value, Some(8884));
    assert!(connection.password.value.is_none() && !connection.password.is_absent());
    assert!(connection.ca.is_absent());
    assert_eq!(
        (connection.version, connection.clean_session),
        (MqttVersion::V5, true)
    );
}

#[test]
fn the_defaults_of_mqtt_keep_messages() {
    let trigger = mqtt(json!({ "type": "mqtt", "topics": ["a"], "connection": { "host": "h" } }));
    assert_eq!(trigger.qos, QualityOfService::AtLeastOnce);
    assert_eq!(
        (trigger.connection.version, trigger.connection.clean_session),
        (MqttVersion::V311, false)
    );
}

#[test]
fn what_concerns_the_session_may_stand_beside_the_topics_and_a_port_may_be_a_number() {
    let trigger = mqtt(json!({
        "type": "mqtt", "topics": ["a"], "version": 5, "cleanSession": true, "caVariable": "CA",
        "connection": { "host": "h", "port": 1884 },
    }));
    assert_eq!(
        (trigger.connection.version, trigger.connection.clean_session),
        (MqttVersion::V5, true)
    );
    assert_eq!(trigger.connection.port.value, Some(1884));
    assert!(!trigger.connection.ca.is_absent());
}

#[test]
fn wrong_mqtt_settings_are_refused() {
    use ProblemCode::{InvalidValue, Missing, OutOfRange, WrongType};
    for (field, value, code) in [
        ("protocol", json!("tcp"), InvalidValue),
        ("host", json!("mqtt://h"), InvalidValue),
        ("host", json!(""), InvalidValue),
        ("port", json!("x"), InvalidValue),
        ("port", json!(70_000), OutOfRange),
        ("hostVariable", json!("a-b"), InvalidValue),
        ("username", json!(7), WrongType),
        ("version", json!("4"), InvalidValue),
        ("cleanSession", json!("no"), WrongType),
    ] {
        let pointer = format!("/triggers/0/connection/{field}");
        let mut connection = json!({ "host": "h" });
        connection[field] = value;
        let document = with(
            "triggers",
            json!([{ "type": "mqtt", "topics": ["a"], "connection": connection }]),
        );
        assert_eq!(errors(&document), [(pointer, code)]);
    }
    let connection = json!({ "host": "h" });
    let nothing = with(
        "triggers",
        json!([{ "type": "mqtt", "topics": [], "connection": connection }]),
    );
    only_error(&nothing, "/triggers/0/topics", InvalidValue);
    let absent = with("triggers", json!([{ "type": "mqtt", "connection": connection }]));
    only_error(&absent, "/triggers/0/topics", Missing);
}

#[test]
fn a_missing_broker_and_a_repeated_filter_are_warnings() {
    let document = with(
        "triggers",
        json!([{ "type": "mqtt", "topics": ["a", "a"], "connection": {} }]),
    );
    let found: Vec<_> = warnings(&document)
        .into_iter()
        .map(|warning| (warning.pointer, warning.code))
        .collect();
    assert_eq!(
        found,
        [
            ("/triggers/0/topics/1".to_owned(), ProblemCode::Duplicate),
            ("/triggers/0/connection".to_owned(), ProblemCode::Missing),
        ]
    );
}

#[test]
fn a_password_is_shown_to_nobody() {
    let document = with(
        "triggers",
        json!([{ "type": "mqtt", "topics": ["a"], "connection": { "host": "h", "password": "correct horse" } }]),
    );
    let manifest = accepted(&document);
    let TriggerKind::Mqtt(mqtt) = &manifest.triggers[0].kind else {
        panic!("{manifest:?}")
    };
    assert_eq!(
        mqtt.connection
            .password
            .value
            .as_ref()
            .map(|password| password.expose()),
        Some("correct horse")
    );
    let shown = format!(
        "{manifest:?} {}",
        serde_json::to_string(&manifest).expect("serialises")
    );
    assert!(!shown.contains("correct"), "{shown}");
}

#[test]
fn a_named_trigger_keeps_its_identity_when_its_settings_change() {
    let before = trigger(json!({ "type": "http", "name": "api", "path": "/a" })).key();
    let after = trigger(json!({ "type": "http", "name": "api", "path": "/b" })).key();
    assert_eq!(before, after);
    assert_eq!(before.as_str(), "http:name:api");
    assert_ne!(
        before,
        trigger(json!({ "type": "schedule", "name": "api", "cron": "@daily" })).key()
    );
}

#[test]
fn an_unnamed_trigger_is_what_starts_it_however_it_is_written() {
    let key = |value: Value| trigger(value).key();
    assert_eq!(
        key(json!({ "type": "http", "method": "get", "path": "/a", "hostname": "H:1" })),
        key(json!({ "hostname": "h", "path": "/a", "method": "GET", "type": "http" })),
    );
    assert_ne!(
        key(json!({ "type": "http", "path": "/a" })),
        key(json!({ "type": "http", "path": "/b" }))
    );
    assert_eq!(
        key(json!({ "type": "schedule", "cron": "@daily" })),
        key(
            json!({ "type": "schedule", "cron": "@daily", "timezone": "UTC", "overlap": "skip", "catchUp": "all" })
        ),
    );
    let broker = |extra: Value, topics: Value| {
        let mut connection = json!({ "host": "h" });
        connection
            .as_object_mut()
            .expect("an object")
            .extend(extra.as_object().expect("an object").clone());
        key(json!({ "type": "mqtt", "topics": topics, "connection": connection }))
    };
    assert_eq!(
        broker(json!({ "password": "a" }), json!(["x", "y"])),
        broker(json!({ "password": "b" }), json!(["y", "x"]))
    );
    assert_ne!(
        broker(json!({ "username": "a" }), json!(["x"])),
        broker(json!({}), json!(["x"]))
    );
    // Stored in databases: must never change.
    assert_eq!(
        key(json!({ "type": "http", "method": "GET", "path": "/a" })).as_str(),
        "http:settings:21a1aae591ab939058f44e7722e2cfd15e7cacbe8b983a9dd29e1be98d7cd4eb"
    );
}

#[test]
fn two_triggers_with_one_identity_are_refused() {
    let named = with(
        "triggers",
        json!([
            { "type": "http", "name": "a", "path": "/1" }, { "type": "schedule", "name": "a", "cron": "@daily" },
            { "type": "http", "name": "a", "path": "/2" },
        ]),
    );
    let message = only_error(&named, "/triggers/2", ProblemCode::Duplicate);
    assert!(message.contains("trigger 0"), "{message}");
    let unnamed = with(
        "triggers",
        json!([{ "type": "schedule", "cron": "@daily" }, { "type": "schedule", "cron": "@daily" }]),
    );
    only_error(&unnamed, "/triggers/1", ProblemCode::Duplicate);
    let same_route = with(
        "triggers",
        json!([{ "type": "http", "path": "/a" }, { "type": "http", "path": "/a" }]),
    );
    only_error(&same_route, "/triggers/1", ProblemCode::Duplicate);
}

#[test]
fn two_triggers_for_the_same_requests_are_refused() {
    let document = with(
        "triggers",
        json!([
            { "type": "http", "path": "x" },
            { "type": "http", "method": "GET", "path": "/users/:id" },
            { "type": "http", "path": "/users/:id" },
            { "type": "http", "method": "GET", "path": "/users/:name", "name": "other" },
        ]),
    );
    let found = errors(&document);
    assert_eq!(found[1..], [("/triggers/3".to_owned(), ProblemCode::Conflict)]);
    let text = refused(&document).to_string();
    assert!(
        text.contains("its route `GET /users/:name` is taken by trigger 1"),
        "{text}"
    );
}

#[test]
fn names_of_triggers_are_short_and_plain() {
    for name in ["", " a", "a\n", "x".repeat(129).as_str()] {
        let document = with("triggers", json!([{ "type": "http", "name": name }]));
        only_error(&document, "/triggers/0/name", ProblemCode::InvalidValue);
    }
    assert!(
        Manifest::check(&with(
            "triggers",
            json!([{ "type": "http", "name": "Bestellung prüfen" }])
        ))
        .is_ok()
    );
    let longest = trigger(json!({ "type": "schedule", "cron": "@daily", "name": "x".repeat(128) }));
    assert!(longest.key().as_str().len() <= 256);
    accepted(&minimal());
}
