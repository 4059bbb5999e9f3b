//! The page on run-time semantics names tests. They exist.

const PAGE: &str = include_str!("../../../../docs/runtime-semantics.md");

const SOURCES: [(&str, &str); 9] = [
    ("actix_interface", include_str!("actix_interface.rs")),
    ("crashes", include_str!("crashes.rs")),
    ("families", include_str!("families.rs")),
    ("mailboxes", include_str!("mailboxes.rs")),
    ("placement", include_str!("placement.rs")),
    ("policies", include_str!("policies.rs")),
    ("stops", include_str!("stops.rs")),
    ("tasks", include_str!("tasks.rs")),
    ("trees", include_str!("trees.rs")),
];

#[test]
fn every_test_that_the_page_names_exists() {
    let mut named = 0;
    for quoted in PAGE.split('`').skip(1).step_by(2) {
        let Some((module, test)) = quoted.split_once("::") else {
            continue;
        };
        let Some((_, source)) = SOURCES.iter().find(|(name, _)| *name == module) else {
            // A type and its method, or a path of Rust.
            let is_code =
                module.starts_with(char::is_uppercase) || ["jobber_kernel", "actix"].contains(&module);
            assert!(is_code, "there is no module of tests for {quoted}");
            continue;
        };
        assert!(
            source.contains(&format!("#[test]\nfn {test}() {{")),
            "there is no test {quoted}"
        );
        named += 1;
    }
    assert!(named > 50, "the page names its tests");
}
