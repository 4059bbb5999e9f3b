use serde_json::json;

use super::{accepted, only_error, with};
use crate::manifest::{ProblemCode, Runtime, RuntimeError};

#[test]
fn the_newest_runtime_of_which_some_release_satisfies_the_range_is_taken() {
    for (range, runtime) in [
        (">=20", Runtime::Node24),
        ("*", Runtime::Node24),
        ("", Runtime::Node24),
        ("24", Runtime::Node24),
        (">=24.99", Runtime::Node24),
        ("20 || 24.1.0", Runtime::Node24),
        ("^22", Runtime::Node22),
        ("^22.5.1", Runtime::Node22),
        (">=22.5 <23", Runtime::Node22),
        (">= 22.5  < 23", Runtime::Node22),
        ("<24 >24 || >=20 <22 || 18", Runtime::Node20),
        ("<24", Runtime::Node22),
        ("<=22", Runtime::Node22),
        ("18 - 22.3", Runtime::Node22),
        ("v22.1.0", Runtime::Node22),
        ("20.x", Runtime::Node20),
        ("~20.11", Runtime::Node20),
        ("20.11.1", Runtime::Node20),
        (">=18 <22", Runtime::Node20),
        ("<20.0.1", Runtime::Node20),
    ] {
        assert_eq!(Runtime::select(range), Ok(runtime), "{range}");
    }
}

#[test]
fn a_range_that_no_runtime_satisfies_is_refused_and_so_is_what_is_no_range() {
    for range in [
        "18",
        "<20",
        "<20.0.0",
        ">=25",
        ">=23 <24",
        "^21",
        "22.0.0-rc.1",
        ">24 <24.0.0",
    ] {
        assert_eq!(Runtime::select(range), Err(RuntimeError::Unsatisfied), "{range}");
    }
    for range in [
        "lts",
        "latest",
        "node 22",
        ">=",
        "22..1",
        "20 - 22 - 24",
        "20 || lts",
        &">=20 ".repeat(100),
    ] {
        assert_eq!(Runtime::select(range), Err(RuntimeError::NotARange), "{range}");
    }
}

#[test]
fn a_package_chooses_its_runtime_by_engines_node() {
    assert_eq!(accepted(&with("engines", json!({}))).runtime(), Runtime::NEWEST);
    assert_eq!(
        accepted(&with("engines", json!({ "node": "22" }))).runtime(),
        Runtime::Node22
    );
    let message = only_error(
        &with("engines", json!({ "node": "16" })),
        "/engines/node",
        ProblemCode::UnknownRuntime,
    );
    assert!(message.contains("24, 22 and 20"), "{message}");
    only_error(
        &with("engines", json!({ "node": "lts/*" })),
        "/engines/node",
        ProblemCode::InvalidValue,
    );
    only_error(
        &with("engines", json!({ "node": 22 })),
        "/engines/node",
        ProblemCode::WrongType,
    );
}
