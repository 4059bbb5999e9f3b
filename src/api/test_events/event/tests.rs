use std::net::Ipv4Addr;

use jobber_actors::domain::TriggerId;
use jobber_actors::manifest::Manifest;
use serde_json::{Value, json};

use super::*;

const SENDER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn triggers() -> Vec<VersionTrigger> {
    let manifest = json!({
        "name": "shop", "version": "1.0.0", "main": "./index.js",
        "triggers": [
            { "type": "http", "name": "all", "hostname": "shop.example" },
            { "type": "http", "name": "order", "method": "POST", "path": "/orders/:id" },
            { "type": "mqtt", "name": "doors", "topics": ["doors/+"], "connection": { "host": "broker" } },
            { "type": "mqtt", "name": "lamps", "topics": ["lamps/#"], "connection": { "host": "broker" } },
        ],
    });
    let checked = Manifest::check(&manifest).expect("a manifest");
    let of_version = |config| VersionTrigger {
        id: TriggerId::generate(),
        config,
    };
    checked.manifest.triggers.into_iter().map(of_version).collect()
}

fn deliver(event: Value, named: Option<&str>) -> Result<Deliverable, ApiError> {
    let event: Event = serde_json::from_value(event).expect("an event");
    event.deliverable(&triggers(), named, SENDER)
}

fn name(event: Value) -> (String, bool) {
    let found = deliver(event, None).expect("it can be delivered");
    (
        found.trigger.name.expect("it has a name").to_string(),
        found.matches,
    )
}

fn pointer(event: Value, named: Option<&str>) -> Value {
    let error = deliver(event, named).expect_err("it can not be delivered");
    error.fields()["errors"][0]["pointer"].clone()
}

#[test]
fn a_request_is_from_the_trigger_that_the_gateway_would_find() {
    let found = deliver(
        json!({ "http": { "method": "post", "path": "/orders/7?page=2", "body": "é" } }),
        None,
    )
    .expect("it can be delivered");
    assert_eq!(
        (found.trigger.name.as_deref(), found.matches),
        (Some("order"), true)
    );
    let Input::Http { http } = found.input else {
        panic!("a request stays one");
    };
    assert_eq!((&*http.method, &*http.target), ("POST", "/orders/7?page=2"));
    assert_eq!(
        (&*http.params["id"], &*http.authority, http.size),
        ("7", "localhost", Some(2))
    );

    assert_eq!(
        name(json!({ "http": {} })),
        ("all".into(), true),
        "no host is any"
    );
    let elsewhere = json!({ "http": { "path": "/orders/7", "host": "bank.example" } });
    assert_eq!(name(elsewhere), ("all".into(), false), "none, so the first");
    let at_home = json!({ "http": { "headers": [["Host", "shop.example:80"]] } });
    assert_eq!(name(at_home), ("all".into(), true));
}

#[test]
fn a_message_is_from_the_trigger_that_would_get_it() {
    assert_eq!(
        name(json!({ "mqtt": { "topic": "lamps/a/b" } })),
        ("lamps".into(), true)
    );
    assert_eq!(
        name(json!({ "mqtt": { "topic": "else" } })),
        ("doors".into(), false)
    );
    let named = deliver(json!({ "mqtt": { "topic": "doors/1" } }), Some("lamps"));
    assert!(!named.expect("it can be delivered").matches);
}

#[test]
fn fields_of_a_connection_are_left_out() {
    let fields = json!([
        ["Connection", "close"],
        ["X-Name", "Ada"],
        ["content-length", "9"]
    ]);
    let found = deliver(json!({ "http": { "headers": fields } }), None).expect("it can be delivered");
    assert_eq!(found.left_out, ["connection", "content-length"]);
    let Input::Http { http } = found.input else {
        panic!("a request stays one");
    };
    assert_eq!(http.headers, [("x-name".to_owned(), "Ada".to_owned())]);
}

#[test]
fn what_can_not_be_is_told_with_its_place() {
    let http = |fields: Value| json!({ "http": fields });
    for (event, named, place) in [
        (http(json!({ "method": "G T" })), None, "/event/http/method"),
        (http(json!({ "path": "orders" })), None, "/event/http/path"),
        (http(json!({ "path": "/a b" })), None, "/event/http/path"),
        (http(json!({ "host": "a/b" })), None, "/event/http/host"),
        (
            http(json!({ "headers": [["a b", "c"]] })),
            None,
            "/event/http/headers/0/0",
        ),
        (
            http(json!({ "headers": [["a", "b\nc"]] })),
            None,
            "/event/http/headers/0/1",
        ),
        (http(json!({ "bodyBase64": "?" })), None, "/event/http/bodyBase64"),
        (http(json!({})), Some("nothing"), "/trigger"),
        (http(json!({})), Some("lamps"), "/trigger"),
        (json!({ "mqtt": { "topic": "a/#" } }), None, "/event/mqtt/topic"),
        (
            json!({ "mqtt": { "topic": "a", "qos": 3 } }),
            None,
            "/event/mqtt/qos",
        ),
        (json!({ "schedule": {} }), None, "/event"),
    ] {
        assert_eq!(pointer(event.clone(), named), json!(place), "{event}");
    }
}
