//! The compiled table against a scan of all routes.

use proptest::prelude::*;

use super::pattern;
use crate::routing::{Lookup, MethodName, PathPattern, Route, RouteTable};

/// Whether a pattern matches, worked out the slow and obvious way.
fn matches_slowly(pattern: &str, path: &str) -> bool {
    if let Some(regex) = pattern.strip_prefix('^') {
        return regex::Regex::new(&format!("^{regex}"))
            .expect("generated")
            .is_match(path);
    }
    let (mut wanted, mut given) = (pattern[1..].split('/'), path[1..].split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (Some(part), Some(_)) if part.starts_with('*') => return true,
            (Some(part), Some(segment)) if part.starts_with(':') && !segment.is_empty() => {}
            (Some(part), Some(segment)) if part == segment => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

fn any_path() -> impl Strategy<Value = String> {
    proptest::collection::vec("[ab]{0,2}", 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn any_pattern() -> impl Strategy<Value = String> {
    let segments = proptest::collection::vec(prop_oneof![3 => "[ab]{0,2}", 2 => Just(":".to_owned())], 0..4);
    let literal = (segments, any::<bool>()).prop_map(|(mut segments, wildcard)| {
        if wildcard || segments.is_empty() {
            segments.push("*rest".to_owned());
        }
        let named = segments
            .iter()
            .enumerate()
            .map(|(at, segment)| segment.replace(':', &format!(":p{at}")));
        format!("/{}", named.collect::<Vec<_>>().join("/"))
    });
    prop_oneof![4 => literal, 1 => any_path().prop_map(|path| format!("^{path}[ab]*"))]
}

proptest! {
    #[test]
    fn any_text_is_compiled_or_refused_without_a_panic(text in "[/^][a:*/?#(){}|\\\\\\[\\]é%-]{0,16}") {
        if let Ok(pattern) = PathPattern::parse(&text) {
            prop_assert_eq!(pattern.as_str(), text);
        }
    }

    #[test]
    fn a_lookup_finds_the_first_match_in_the_order_of_specificity(
        patterns in proptest::collection::vec((any_pattern(), 0..3usize, any::<bool>()), 0..25),
        paths in proptest::collection::vec(any_path(), 1..10),
        host_named in any::<bool>(),
        method in prop_oneof![Just("GET"), Just("HEAD"), Just("POST")],
    ) {
        let routes = patterns.into_iter().map(|(path, method, host)| {
            let text = format!("{} {} {path}", ["*", "GET", "HEAD"][method], if host { "h" } else { "*" });
            Route { pattern: pattern(&text), target: (text.clone(), path) }
        });
        let (table, _) = RouteTable::build(routes);
        for path in &paths {
            let slow = table.iter().find(|route| {
                let given = route.pattern.method.as_ref().map(MethodName::as_str);
                let method_matches = given.is_none_or(|given| given == method || (given == "GET" && method == "HEAD"));
                method_matches && (host_named || route.pattern.host.is_none()) && matches_slowly(&route.target.1, path)
            });
            let fast = match table.lookup(host_named.then_some("h"), method, path) {
                Lookup::Found { target, .. } => Some(target),
                Lookup::NoRoute | Lookup::MethodNotAllowed { .. } => None,
            };
            prop_assert_eq!(fast, slow.map(|route| &route.target), "{} {}", method, path);
        }
    }
}
