//! From a package and its variables to a broker.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::domain::{Environment, JobId, Variable};
use crate::manifest::{Manifest, MqttConnection, MqttProtocol, TriggerKind};
use crate::mqtt::assignment::sub_id;
use crate::mqtt::settings::{ConnectionSettings, LentBroker, SettingsError};

fn connection(connection: &Value) -> MqttConnection {
    let document = json!({
        "name": "x", "version": "1.0.0", "main": "./index.js",
        "triggers": [{ "type": "mqtt", "topics": ["a"], "connection": connection }],
    });
    let manifest = Manifest::check(&document).unwrap().manifest;
    match &manifest.triggers[0].kind {
        TriggerKind::Mqtt(mqtt) => mqtt.connection.clone(),
        other => panic!("{other:?}"),
    }
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    let variable = |(name, value): &(&str, &str)| {
        let value = Variable {
            secret: true,
            value: (*value).into(),
        };
        ((*name).to_owned(), value)
    };
    Environment::new(variables.iter().map(variable).collect::<BTreeMap<_, _>>())
}

fn resolve(document: &Value, variables: &[(&str, &str)]) -> Result<ConnectionSettings, SettingsError> {
    let job: JobId = "01890000-0000-7000-8000-000000000001".parse().unwrap();
    ConnectionSettings::resolve(&connection(document), &environment(variables), job, None)
}

#[test]
fn every_setting_may_come_from_a_variable() {
    let document = json!({
        "protocolVariable": "P", "hostVariable": "H", "portVariable": "N", "usernameVariable": "U",
        "passwordVariable": "W", "clientIdVariable": "C", "caVariable": "A",
    });
    let variables = [
        ("P", "wss"),
        ("H", "broker.example.org"),
        ("N", "8084"),
        ("U", "me"),
        ("W", "secret"),
        ("C", "client"),
        ("A", "PEM"),
    ];
    let ConnectionSettings {
        broker,
        client_id,
        clean,
    } = resolve(&document, &variables).unwrap();
    assert_eq!(broker.to_string(), "wss://broker.example.org:8084");
    assert_eq!(
        (broker.username.as_deref(), broker.ca.as_deref()),
        (Some("me"), Some("PEM"))
    );
    assert_eq!(
        broker.password.as_ref().map(ExposeSecret::expose_secret),
        Some("secret")
    );
    assert_eq!((client_id.as_str(), clean), ("client", false));
    assert!(!format!("{broker:?}").contains("secret"));
}

#[test]
fn a_variable_comes_before_the_value_in_the_package_which_comes_before_the_default() {
    let document = json!({ "host": "in-package", "hostVariable": "H", "port": "1999" });
    assert_eq!(
        resolve(&document, &[]).unwrap().broker.to_string(),
        "mqtt://in-package:1999"
    );
    assert_eq!(
        resolve(&document, &[("H", "in-variable")]).unwrap().broker.host,
        "in-variable"
    );
    let defaults = [("mqtt", 1883), ("mqtts", 8883), ("ws", 80), ("wss", 443)];
    for (protocol, port) in defaults {
        let settings = resolve(&json!({ "host": "x", "protocol": protocol }), &[]).unwrap();
        assert_eq!(settings.broker.port, port, "{protocol}");
    }
}

#[test]
fn what_can_not_be_used_is_said_without_showing_the_value() {
    assert_eq!(resolve(&json!({}), &[]), Err(SettingsError::NoBroker));
    assert_eq!(
        resolve(&json!({ "hostVariable": "H" }), &[]),
        Err(SettingsError::NoHost("H".into()))
    );
    let error = resolve(&json!({ "host": "x", "portVariable": "N" }), &[("N", "hunter2")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the variable N (`portVariable`) is not a port between 1 and 65535"
    );
    let error = resolve(&json!({ "host": "x", "protocolVariable": "P" }), &[("P", "http")]).unwrap_err();
    assert!(error.to_string().contains("mqtt, mqtts, ws or wss"), "{error}");
}

#[test]
fn a_package_without_a_broker_gets_the_lent_one() {
    let lent = LentBroker {
        host: "127.0.0.1".into(),
        port: 4711,
    };
    let job = JobId::generate();
    let of = |document: &Value| {
        ConnectionSettings::resolve(&connection(document), &Environment::default(), job, Some(&lent))
    };
    assert_eq!(
        of(&json!({})).unwrap().broker.to_string(),
        "mqtt://127.0.0.1:4711"
    );
    assert_eq!(of(&json!({ "host": "x" })).unwrap().broker.host, "x");
    assert!(
        of(&json!({ "hostVariable": "H" })).is_err(),
        "a variable that is missing is no wish for another broker"
    );
}

#[test]
fn the_client_id_stays_the_same_unless_the_session_is_another_one() {
    let id = |document: &Value, variables: &[(&str, &str)]| resolve(document, variables).unwrap().client_id;
    let document = json!({ "host": "x", "passwordVariable": "W" });
    let first = id(&document, &[("W", "old")]);
    assert_eq!(first, id(&document, &[("W", "new")]));
    assert_eq!(first.len(), 23, "every broker takes it: {first}");
    for other in [
        json!({ "host": "y" }),
        json!({ "host": "x", "port": "1884" }),
        json!({ "host": "x", "username": "me" }),
        json!({ "host": "x", "version": "5" }),
        json!({ "host": "x", "cleanSession": true }),
        json!({ "host": "x", "protocol": "ws" }),
    ] {
        assert_ne!(first, id(&other, &[]), "{other}");
    }
    assert_eq!(sub_id(&first, "publish").len(), 23);
    assert_ne!(sub_id(&first, "publish"), sub_id(&first, "group"));
    assert!(sub_id("mine", "publish").starts_with("mine-"));
    assert_eq!(
        resolve(&json!({ "host": "x" }), &[]).unwrap().broker.protocol,
        MqttProtocol::Mqtt
    );
}
