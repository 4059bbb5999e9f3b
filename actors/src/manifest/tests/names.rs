use serde_json::json;

use super::{accepted, only_error, with};
use crate::manifest::{ProblemCode, RelativePath, VariableName};

#[test]
fn job_names_follow_npms_rules() {
    for name in [
        "hello",
        "@acme/hello",
        "a.b-c_d",
        "7",
        "@acme/actions",
        "x".repeat(214).as_str(),
    ] {
        assert_eq!(accepted(&with("name", json!(name))).name.as_str(), name);
    }
    for (name, reason) in [
        ("", "1 to 214"),
        ("Hello", "lower case"),
        ("hello world", "can not contain ` `"),
        ("hëllo", "can not contain `ë`"),
        ("a/b", "can not contain `/`"),
        ("@acme", "`@scope/name`"),
        ("@acme/", "is empty"),
        ("@/hello", "is empty"),
        ("@a/b/c", "can not contain `/`"),
        (".hello", "can not begin with"),
        ("_hello", "can not begin with"),
        ("../../etc", "can not contain `/`"),
        ("node_modules", "can not be called"),
        ("x".repeat(215).as_str(), "1 to 214"),
    ] {
        let message = only_error(&with("name", json!(name)), "/name", ProblemCode::InvalidValue);
        assert!(message.contains(reason), "{name}: {message}");
    }
}

#[test]
fn names_with_a_meaning_in_the_api_are_refused() {
    let uuid = "0194f1c2-7a6b-7c3d-8e4f-5a6b7c8d9e0f";
    for name in ["actions", "triggers", "logs", "runners", "publish", "-", uuid] {
        only_error(&with("name", json!(name)), "/name", ProblemCode::InvalidValue);
    }
}

#[test]
fn versions_need_not_be_semantic() {
    for version in ["1.0.0", "2024-11-23", "v7", "1.2.3-dev.4+build"] {
        assert_eq!(
            accepted(&with("version", json!(version))).version.as_str(),
            version
        );
    }
    for version in ["", " 1", "1/2", "-1", "1 0", "é", "v".repeat(129).as_str()] {
        only_error(
            &with("version", json!(version)),
            "/version",
            ProblemCode::InvalidValue,
        );
    }
    only_error(&with("version", json!(1)), "/version", ProblemCode::WrongType);
}

#[test]
fn main_is_a_file_below_the_package() {
    for (main, plain) in [
        ("./dist/index.js", "dist/index.js"),
        ("index.mjs", "index.mjs"),
        ("./././a/./b.cjs", "a/b.cjs"),
        ("..a/b", "..a/b"),
    ] {
        assert_eq!(RelativePath::parse(main).expect(main).as_str(), plain);
    }
    for main in [
        "",
        ".",
        "./",
        "/index.js",
        "../index.js",
        "./a/../../b",
        "a//b",
        "dist/",
        "C:/x",
        "a\\b",
        "a\0b",
    ] {
        only_error(&with("main", json!(main)), "/main", ProblemCode::InvalidValue);
    }
}

#[test]
fn variables_are_named_in_upper_case() {
    assert_eq!(
        VariableName::parse("broker_Host").expect("valid").as_str(),
        "BROKER_HOST"
    );
    for name in ["", "1A", "A-B", "A B", "Ä"] {
        assert!(VariableName::parse(name).is_err(), "{name}");
    }
}
