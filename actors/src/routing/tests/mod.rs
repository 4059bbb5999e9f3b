//! Which route a request gets.

mod model;

use std::collections::BTreeMap;

use super::{
    Hostname, HostnameError, Lookup, MethodError, MethodName, PathPattern, PatternFault, Route, RoutePattern,
    RouteTable, is_reserved,
};

/// `GET example.org /users/:id`, with `*` for any.
fn pattern(text: &str) -> RoutePattern {
    let parts: Vec<&str> = text.splitn(3, ' ').collect();
    let given = |part: &'static str| -> Option<&'static str> { (part != "*").then_some(part) };
    let leaked: Vec<&'static str> = parts
        .iter()
        .map(|part| &*Box::leak(part.to_string().into_boxed_str()))
        .collect();
    RoutePattern {
        method: given(leaked[0]).map(|method| MethodName::parse(method).expect(method)),
        host: given(leaked[1]).map(|host| Hostname::parse(host).expect(host)),
        path: given(leaked[2]).map(|path| PathPattern::parse(path).expect(path)),
    }
}

/// A table whose targets are the patterns' own texts.
fn table(patterns: &[&str]) -> RouteTable<String> {
    let routes = patterns.iter().map(|text| Route {
        pattern: pattern(text),
        target: (*text).to_owned(),
    });
    let (table, refused) = RouteTable::build(routes);
    assert!(refused.is_empty(), "{refused:?}");
    table
}

fn found(table: &RouteTable<String>, request: &str) -> (String, BTreeMap<String, String>) {
    let parts: Vec<&str> = request.splitn(3, ' ').collect();
    match table.lookup(Some(parts[1]), parts[0], parts[2]) {
        Lookup::Found { target, params } => (target.clone(), params),
        other => panic!("{request}: {other:?}"),
    }
}

fn winner(table: &RouteTable<String>, request: &str) -> String {
    found(table, request).0
}

fn params(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn fault(text: &str) -> (usize, PatternFault) {
    let error = PathPattern::parse(text).expect_err(text);
    (error.position, error.fault)
}

#[test]
fn absent_parts_stand_for_any() {
    let routes = table(&["* * *"]);
    assert_eq!(winner(&routes, "PURGE example.org /a/b?"), "* * *");
    assert!(matches!(
        routes.lookup(None, "OPTIONS", "*"),
        Lookup::Found { .. }
    ));
}

#[test]
fn the_path_with_the_longest_fixed_beginning_wins() {
    let routes = table(&[
        "* * *",
        "* * /*all",
        "* * /:page",
        "* * ^/",
        "* * /users/:id",
        "* * /users/*rest",
        "* * ^/users/v\\d+$",
        "* * /users/me",
        "* * /users/:id/posts",
        "* * /users/:id/:what",
        "* * ^/users/(?<id>[^/]+)/posts/\\d+$",
    ]);
    for (path, wanted) in [
        ("/users/me", "* * /users/me"),
        ("/users/7", "* * /users/:id"),
        ("/users/v7", "* * ^/users/v\\d+$"),
        ("/users/7/posts", "* * /users/:id/posts"),
        ("/users/7/likes", "* * /users/:id/:what"),
        // The wildcard and the expression begin alike; segments come before expressions.
        ("/users/7/posts/1", "* * /users/*rest"),
        ("/users/", "* * /users/*rest"),
        ("/users", "* * /:page"),
        ("/a/b", "* * /*all"),
        ("/", "* * /*all"),
    ] {
        assert_eq!(winner(&routes, &format!("GET h {path}")), wanted, "{path}");
    }
}

#[test]
fn a_wildcard_of_one_job_and_a_parameter_of_another_live_together() {
    let routes = table(&["* * /a/:x/c", "* * /a/*rest", "* * /:y/b/*rest", "* * /*all"]);
    assert_eq!(winner(&routes, "GET h /a/b/c"), "* * /a/:x/c");
    assert_eq!(winner(&routes, "GET h /a/b/d"), "* * /a/*rest");
    assert_eq!(winner(&routes, "GET h /z/b/d"), "* * /:y/b/*rest");
    assert_eq!(winner(&routes, "GET h /z/c/d"), "* * /*all");
}

#[test]
fn the_host_weighs_more_than_the_path_and_the_path_more_than_the_method() {
    let routes = table(&["* example.org *", "GET * /a", "* * /a", "GET * /:x", "POST * /:x"]);
    assert_eq!(winner(&routes, "GET example.org /a"), "* example.org *");
    assert_eq!(winner(&routes, "GET other.org /a"), "GET * /a");
    assert_eq!(winner(&routes, "POST other.org /a"), "* * /a");
    assert_eq!(winner(&routes, "POST other.org /b"), "POST * /:x");
}

#[test]
fn a_less_specific_route_answers_when_the_more_specific_one_has_another_method() {
    let routes = table(&[
        "POST * /users/me",
        "GET * /users/:id",
        "DELETE example.org /users/me",
    ]);
    assert_eq!(winner(&routes, "GET example.org /users/me"), "GET * /users/:id");
    let refused = routes.lookup(Some("example.org"), "PUT", "/users/me");
    assert_eq!(
        refused,
        Lookup::MethodNotAllowed {
            allow: vec!["DELETE", "GET", "HEAD", "POST"]
        }
    );
    assert_eq!(
        routes.lookup(Some("example.org"), "PUT", "/nothing"),
        Lookup::NoRoute
    );
}

#[test]
fn head_takes_the_get_route_unless_it_has_its_own() {
    let routes = table(&["GET * /a", "* * /a", "HEAD * /b", "GET * /b", "* * /b"]);
    assert_eq!(winner(&routes, "HEAD h /a"), "GET * /a");
    assert_eq!(winner(&routes, "HEAD h /b"), "HEAD * /b");
    assert_eq!(winner(&routes, "GET h /b"), "GET * /b");
}

#[test]
fn hosts_ignore_case_port_and_final_dot() {
    let routes = table(&["* Example.org:3001 /a", "* [::1] /a"]);
    for host in [
        "example.org",
        "EXAMPLE.ORG",
        "example.org:80",
        "example.org.",
        "example.org.:8080",
    ] {
        assert_eq!(
            winner(&routes, &format!("GET {host} /a")),
            "* Example.org:3001 /a",
            "{host}"
        );
    }
    assert_eq!(winner(&routes, "GET [::1]:3001 /a"), "* [::1] /a");
    assert_eq!(routes.lookup(Some("example.com"), "GET", "/a"), Lookup::NoRoute);
    assert_eq!(routes.lookup(None, "GET", "/a"), Lookup::NoRoute);
}

#[test]
fn parameters_are_decoded_and_an_encoded_slash_does_not_divide() {
    let routes = table(&[
        "* * /users/:id",
        "* * /files/*path",
        "* * ^/v(?<major>\\d+)/(?<rest>.*)$",
        "* * /any/*",
    ]);
    let parameters = |path: &str| found(&routes, &format!("GET h {path}")).1;
    assert_eq!(parameters("/users/J%C3%BCrgen"), params(&[("id", "Jürgen")]));
    assert_eq!(parameters("/users/a%2Fb+c"), params(&[("id", "a/b+c")]));
    assert_eq!(parameters("/users/%FF"), params(&[("id", "%FF")]));
    assert_eq!(parameters("/users/100%"), params(&[("id", "100%")]));
    assert_eq!(parameters("/files/a/b%20c"), params(&[("path", "a/b c")]));
    assert_eq!(parameters("/files/"), params(&[("path", "")]));
    assert_eq!(
        parameters("/v2/x%20y"),
        params(&[("major", "2"), ("rest", "x y")])
    );
    assert_eq!(parameters("/any/thing"), params(&[("*", "thing")]));
}

#[test]
fn slashes_count() {
    let routes = table(&["* * /count", "* * /users/:id/", "* * /files/*rest"]);
    for path in [
        "/count/", "//count", "/users/7", "/users//", "/files", "count", "",
    ] {
        assert_eq!(routes.lookup(None, "GET", path), Lookup::NoRoute, "{path}");
    }
    assert_eq!(winner(&routes, "GET h /users/7/"), "* * /users/:id/");
}

#[test]
fn literals_that_clients_encode_are_compared_encoded() {
    let routes = table(&[
        "* * /café/menu du jour",
        "* * /v1/users:batch",
        "* * /{x}",
        "* * /grüße/:name",
    ]);
    assert_eq!(
        winner(&routes, "GET h /caf%C3%A9/menu%20du%20jour"),
        "* * /café/menu du jour"
    );
    assert_eq!(winner(&routes, "GET h /v1/users:batch"), "* * /v1/users:batch");
    assert_eq!(winner(&routes, "GET h /{x}"), "* * /{x}");
    assert_eq!(winner(&routes, "GET h /gr%C3%BC%C3%9Fe/x"), "* * /grüße/:name");
}

#[test]
fn expressions_begin_with_what_all_their_alternatives_begin_with() {
    for (text, beginning) in [
        ("^/users/\\d+$", "/users/"),
        ("^\\/users\\/(?<id>.+)", "/users/"),
        ("^/ab?c", "/a"),
        ("^/(cats|cars)/", "/ca"),
        ("^/users/(é|è)", "/users/"),
        ("^(?:/a|/b)", "/"),
        ("^/a|/b", ""),
        ("^(?i)/a", "/"),
        ("^", ""),
        ("^.*/x", ""),
    ] {
        assert_eq!(
            PathPattern::parse(text).expect(text).fixed_beginning(),
            beginning,
            "{text}"
        );
    }
    // Not anchored in its second alternative, as in JavaScript.
    assert_eq!(winner(&table(&["* * ^/a|/b"]), "GET h /x/b"), "* * ^/a|/b");
}

#[test]
fn many_expressions_with_one_beginning_are_told_apart() {
    let texts: Vec<String> = (0..50).map(|n| format!("* * ^/item/[a-z]+-{n}$")).collect();
    let patterns: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_eq!(
        winner(&table(&patterns), "GET h /item/lamp-37"),
        "* * ^/item/[a-z]+-37$"
    );
}

#[test]
fn the_gateways_own_paths_can_not_be_taken_or_found() {
    for path in [
        "/healthz",
        "/readyz",
        "/_jobber",
        "/_jobber/x",
        "/_jobber/:id",
        "/_jobber/*rest",
        "^/_jobber/",
        "^/healthz$",
    ] {
        assert_eq!(fault(path).1, PatternFault::Reserved, "{path}");
    }
    let routes = table(&["* * *", "* * /*all", "* * ^/(?:_jobber|x)/"]);
    for path in ["/healthz", "/readyz", "/_jobber", "/_jobber/results/1"] {
        assert!(is_reserved(path));
        assert_eq!(routes.lookup(None, "GET", path), Lookup::NoRoute, "{path}");
    }
    assert!(PathPattern::parse("/healthz/deep").is_ok());
}

#[test]
fn a_conflict_is_the_same_host_method_and_shape() {
    let routes = table(&[
        "GET * /users/:id",
        "* example.org /a",
        "* * ^/x",
        "* * *",
        "* * /f/*a",
    ]);
    let conflict = |text: &str| routes.conflict(&pattern(text)).map(|route| route.target.clone());
    assert_eq!(
        conflict("get * /users/:name"),
        Some("GET * /users/:id".to_owned())
    );
    assert_eq!(
        conflict("* EXAMPLE.org:80 /a"),
        Some("* example.org /a".to_owned())
    );
    assert_eq!(conflict("* * ^/x"), Some("* * ^/x".to_owned()));
    assert_eq!(conflict("* * *"), Some("* * *".to_owned()));
    assert_eq!(conflict("* * /f/*"), Some("* * /f/*a".to_owned()));
    for free in [
        "* * /users/:id",
        "POST * /users/:id",
        "GET * /users/id",
        "* * /a",
        "* * ^/y",
        "* * /f/:a",
    ] {
        assert_eq!(conflict(free), None, "{free}");
    }
}

#[test]
fn of_conflicting_routes_the_first_is_kept_and_the_others_are_given_back() {
    let routes = ["* * /:a", "* * /:b", "* * /x"].map(|text| Route {
        pattern: pattern(text),
        target: text,
    });
    let (table, refused) = RouteTable::build(routes);
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].target, "* * /:b");
    assert_eq!(table.len(), 2);
    assert_eq!(
        table.iter().map(|route| route.target).collect::<Vec<_>>(),
        ["* * /x", "* * /:a"]
    );
}

#[test]
fn faults_of_paths_are_named_with_their_position() {
    assert_eq!(fault(""), (0, PatternFault::Start));
    assert_eq!(fault("users"), (0, PatternFault::Start));
    assert_eq!(fault("/é?x=1"), (2, PatternFault::Character('?')));
    assert_eq!(fault("/a#b"), (2, PatternFault::Character('#')));
    assert_eq!(fault("/é/:"), (3, PatternFault::ParameterName));
    assert_eq!(fault("/:id?"), (4, PatternFault::Character('?')));
    assert_eq!(fault("/:id(\\d+)"), (1, PatternFault::ParameterName));
    assert_eq!(fault("/:7"), (1, PatternFault::ParameterName));
    assert_eq!(fault("/:a/:a"), (4, PatternFault::ParameterTwice("a".to_owned())));
    assert_eq!(fault("/*rest/x"), (6, PatternFault::WildcardNotLast));
    assert_eq!(fault(&format!("/{}", "x".repeat(2_048))).1, PatternFault::TooLong);
    assert_eq!(
        fault(&format!("/:a{}", "/x".repeat(64))).1,
        PatternFault::TooManySegments
    );
    let (position, regex) = fault("^/é(?=x)");
    assert_eq!(position, 3);
    assert!(regex.to_string().contains("look-around"), "{regex}");
    assert!(matches!(fault("^/(a").1, PatternFault::Regex(_)));
    assert_eq!(fault("^/\\w{1000}{100}").1, PatternFault::RegexTooLarge);
}

#[test]
fn hosts_and_methods_that_no_request_can_have_are_refused() {
    for (text, error) in [
        ("", HostnameError::Empty),
        (":80", HostnameError::Empty),
        ("*.example.org", HostnameError::Character { character: '*' }),
        ("http://example.org", HostnameError::Character { character: ':' }),
        ("bücher.example", HostnameError::Character { character: 'ü' }),
        ("[::x]", HostnameError::Address("::x".to_owned())),
    ] {
        assert_eq!(Hostname::parse(text), Err(error), "{text}");
    }
    assert_eq!(Hostname::parse(&"x".repeat(254)), Err(HostnameError::TooLong));
    for text in ["", "*", "GET POST", "GÉT"] {
        assert_eq!(MethodName::parse(text), Err(MethodError::Malformed), "{text}");
    }
    assert_eq!(MethodName::parse("connect"), Err(MethodError::Connect));
    assert_eq!(
        MethodName::parse("m-search").expect("a token").as_str(),
        "M-SEARCH"
    );
}

#[test]
fn ten_thousand_routes_do_not_make_a_lookup_slow() {
    let texts = (0..10_000).map(|n| match n % 3 {
        0 => format!("GET * /job{n}/exact"),
        1 => format!("GET * /job{n}/:id"),
        _ => format!("GET * ^/job{n}/[a-z]+$"),
    });
    let routes = texts.map(|text| Route {
        pattern: pattern(&text),
        target: text,
    });
    let (table, refused) = RouteTable::build(routes);
    assert!(refused.is_empty());
    let started = std::time::Instant::now();
    let mut hits = 0;
    for n in (0..10_000).step_by(10) {
        let path = format!("/job{n}/exact");
        hits += usize::from(matches!(
            table.lookup(Some("localhost:3001"), "GET", &path),
            Lookup::Found { .. }
        ));
    }
    assert_eq!(hits, 1_000);
    // Microseconds each; the bound leaves room for a busy machine and an unoptimised build, and none for a scan.
    assert!(
        started.elapsed() < std::time::Duration::from_millis(500),
        "{:?}",
        started.elapsed()
    );
}
