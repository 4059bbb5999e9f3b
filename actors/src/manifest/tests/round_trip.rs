use proptest::prelude::*;
use serde_json::{Value, json};

use super::with;
use crate::manifest::Manifest;

fn any_action() -> impl Strategy<Value = Value> {
    let ages = (0..3_000_000u32, 0..3_000_000u32, 0..3_000_000u32, 1..100_000u32);
    let queue = (0..=1_000_000u32, 0..100_000u32);
    let limits = (6..10_000u32, 10..100_000u32, 1..=10_000u32, 0..=100u32);
    (ages, queue, limits, 0..20u32, any::<bool>(), prop_oneof![Just("none"), Just("errors"), Just("all")]).prop_map(
        |((idle, age, hard, timeout), (length, wait), (memory, cpus, concurrency, retries), count, once, capture)| {
            let seconds = |millis: u32| f64::from(millis) / 1000.0;
            json!({
                "runnerMinCount": count, "runnerMaxCount": if count > 16 { 0 } else { 16 },
                "runnerTimeout": seconds(timeout), "runnerMaxIdleAge": seconds(idle), "runnerMaxAge": seconds(age),
                "runnerMaxAgeHard": seconds(hard), "runnerMode": if once { "run-once" } else { "standard" },
                "concurrency": concurrency, "queue": { "length": length, "wait": seconds(wait) },
                "memory": format!("{memory}m"), "cpus": f64::from(cpus) / 1000.0,
                "retries": { "max": retries, "backoff": seconds(timeout) }, "capture": capture,
            })
        },
    )
}

fn any_trigger() -> impl Strategy<Value = Value> {
    let method = prop_oneof![Just(Value::Null), Just(json!("GET")), Just(json!("post"))];
    prop_oneof![
        (method, "(/[a-z:]{1,5}){1,3}").prop_map(|(method, path)| json!({ "type": "http", "method": method, "path": path })),
        (0..60u32, 0..24u32).prop_map(|(minute, hour)| json!({
            "type": "schedule", "cron": format!("{minute} {hour} * * *"), "timezone": "Asia/Tokyo", "overlap": "queue",
        })),
        ("[a-z/+]{1,8}", 0..3u32, 1..65_536u32).prop_map(|(topic, qos, port)| json!({
            "type": "mqtt", "topics": [topic], "qos": qos, "connection": { "host": "h", "port": port, "caVariable": "CA" },
        })),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop_oneof![Just("http"), Just("mqtt"), Just("schedule")].prop_map(Value::from),
    ];
    let names = prop_oneof![
        Just("type"),
        Just("path"),
        Just("topics"),
        Just("connection"),
        Just("cron"),
        Just("action"),
        Just("queue"),
        Just("triggers"),
        Just("runnerDockerArguments"),
        Just("volumes"),
        Just("labels"),
        Just("concurrency"),
        Just("~/"),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_as_the_same_manifest(
        action in any_action(), triggers in proptest::collection::vec(any_trigger(), 0..4),
    ) {
        let mut document = with("action", action);
        document["triggers"] = Value::from(triggers);
        // Some of the generated routes and topics are wrong or the same; those are other tests' concern.
        if let Ok(checked) = Manifest::check(&document) {
            let written = serde_json::to_vec(&checked.manifest).expect("a manifest serialises");
            let again = Manifest::parse(&written);
            prop_assert_eq!(again.map(|again| again.manifest), Ok(checked.manifest));
        }
    }

    #[test]
    fn any_json_is_accepted_or_refused_with_pointers_into_it(value in any_json(), at_top in any::<bool>()) {
        let document = if at_top {
            value
        } else {
            let mut document = with("action", value.clone());
            document["triggers"] = json!([value.clone()]);
            document["links"] = json!([value]);
            document
        };
        if let Err(errors) = Manifest::check(&document) {
            prop_assert!(!errors.problems.is_empty());
            for problem in &errors.problems {
                // What is missing has no place of its own, but its parent has.
                let parent = problem.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
                let there = document.pointer(&problem.pointer).or_else(|| document.pointer(parent));
                prop_assert!(there.is_some(), "{:?}", problem);
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(Manifest::parse(&bytes).is_err());
    }
}
