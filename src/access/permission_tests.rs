use proptest::prelude::*;
use serde_json::json;

use super::*;

const ID: &str = "018f3a5e-7f4e-7c3a-9b0a-0123456789ab";

fn permissions(lines: serde_json::Value) -> Permissions {
    serde_json::from_value(lines).unwrap()
}

fn job(below: &[&str]) -> Resource {
    let job = Resource::of("job").below_either(ID, "@acme/shop");
    below.iter().fold(job, |resource, name| resource.below(name))
}

#[test]
fn nothing_is_allowed_that_no_line_allows() {
    assert!(!Permissions::default().allow(Action::Read, &job(&[])));
    let others = permissions(json!([{ "effect": "allow", "resource": "job/other", "actions": ["read"] }]));
    assert!(!others.allow(Action::Read, &job(&[])));
}

#[test]
fn a_pattern_matches_all_below_it_by_the_id_or_the_name() {
    for resource in ["*", "job", "job/*", "job/%40acme%2Fshop", &format!("job/{ID}")] {
        let permissions =
            permissions(json!([{ "effect": "allow", "resource": resource, "actions": ["read"] }]));
        assert!(permissions.allow(Action::Read, &job(&[])), "{resource}");
        assert!(
            permissions.allow(Action::Read, &job(&["environment", "A"])),
            "{resource}"
        );
        assert!(!permissions.allow(Action::Write, &job(&[])), "{resource}");
    }
    let logs = permissions(json!([{ "effect": "allow", "resource": "job/*/logs", "actions": ["read"] }]));
    assert!(logs.allow(Action::Read, &job(&["logs"])));
    assert!(
        !logs.allow(Action::Read, &job(&[])),
        "a longer pattern is about less"
    );
    assert!(!logs.allow(Action::Read, &job(&["runners"])));
}

#[test]
fn a_line_that_denies_wins_wherever_it_stands() {
    let lines = json!([
        { "effect": "deny", "resource": "job/*/environment", "actions": ["read", "write", "delete"] },
        { "effect": "allow", "resource": "*", "actions": ["read", "write"] },
    ]);
    let permissions = permissions(lines);
    assert!(!permissions.allow(Action::Read, &job(&["environment", "A"])));
    assert!(permissions.allow(Action::Write, &job(&["logs"])));
    assert!(!permissions.allow(Action::Delete, &job(&["logs"])));
}

#[test]
fn users_is_the_same_as_user() {
    let permissions = permissions(json!([{ "effect": "allow", "resource": "users/*", "actions": ["read"] }]));
    assert!(permissions.allow(Action::Read, &Resource::of("user").below(ID)));
}

#[test]
fn what_is_no_pattern_is_refused_with_the_reason() {
    assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
    assert_eq!(Pattern::parse("job//logs"), Err(PatternError::Empty));
    assert_eq!(Pattern::parse("/job"), Err(PatternError::Empty));
    assert_eq!(Pattern::parse("job/%ff"), Err(PatternError::Encoding));
    assert_eq!(
        Pattern::parse("job/shop*"),
        Err(PatternError::PartialWildcard("shop*".into()))
    );
    assert_eq!(Pattern::parse("job/a\0b"), Err(PatternError::Nul));
    assert_eq!(Pattern::parse(&"a".repeat(1_025)), Err(PatternError::TooLong));
    let unknown = json!([{ "effect": "allow", "resource": "*", "actions": ["execute"] }]);
    assert!(serde_json::from_value::<Permissions>(unknown).is_err());
}

#[test]
fn nobody_gives_more_than_they_have() {
    let maker = permissions(json!([
        { "effect": "allow", "resource": "job", "actions": ["read", "write"] },
        { "effect": "deny", "resource": "job/secret", "actions": ["read", "write"] },
    ]));
    let given = |lines| maker.cover(&permissions(lines));
    assert!(given(
        json!([{ "effect": "allow", "resource": "job/open/logs", "actions": ["read"] }])
    ));
    assert!(!given(
        json!([{ "effect": "allow", "resource": "job/open", "actions": ["delete"] }])
    ));
    assert!(!given(
        json!([{ "effect": "allow", "resource": "user", "actions": ["read"] }])
    ));
    assert!(!given(
        json!([{ "effect": "allow", "resource": "job/*", "actions": ["read"] }])
    ));
    assert!(
        !given(json!([{ "effect": "allow", "resource": format!("job/{ID}"), "actions": ["read"] }])),
        "it may be the id of the one that is denied"
    );
    assert!(given(json!([
        { "effect": "allow", "resource": "job/*", "actions": ["read"] },
        { "effect": "deny", "resource": "job/secret", "actions": ["read"] },
    ])));
    assert!(given(json!([])) && Permissions::all().cover(&maker));
}

const OTHER_ID: &str = "018f3a5e-7f4e-7c3a-9b0a-ffffffffffff";

fn pattern() -> impl Strategy<Value = Pattern> {
    let kind = prop_oneof![Just("job"), Just("user"), Just("*")];
    let thing = prop_oneof![Just("a"), Just("b"), Just(ID), Just(OTHER_ID), Just("*")];
    let part = prop_oneof![Just("logs"), Just("runners"), Just("*")];
    (kind, thing, part, 1..=3_usize).prop_map(|(kind, thing, part, length)| {
        let text = [kind, thing, part][..length].join("/");
        Pattern::parse(&text).expect("it is a pattern")
    })
}

fn lines() -> impl Strategy<Value = Permissions> {
    let line = (
        any::<bool>(),
        pattern(),
        proptest::sample::subsequence(Action::ALL.to_vec(), 1..=3),
    )
        .prop_map(|(allows, resource, actions)| Permission {
            effect: if allows { Effect::Allow } else { Effect::Deny },
            resource,
            actions,
        });
    proptest::collection::vec(line, 0..5).prop_map(Permissions::new)
}

fn resource() -> impl Strategy<Value = Resource> {
    let kind = prop_oneof![Just("job"), Just("user")];
    let thing = prop_oneof![Just((ID, "a")), Just((OTHER_ID, "b")), Just((ID, "b"))];
    let part = prop_oneof![Just("logs"), Just("runners")];
    (kind, thing, part, 1..=3).prop_map(|(kind, (id, name), part, length)| {
        let mut resource = Resource::of(kind);
        if length > 1 {
            resource = resource.below_either(id, name);
        }
        if length > 2 {
            resource = resource.below(part);
        }
        resource
    })
}

fn action() -> impl Strategy<Value = Action> {
    proptest::sample::select(Action::ALL.to_vec())
}

proptest! {
    #[test]
    fn a_further_denial_never_allows_and_a_further_allowance_never_denies(
        permissions in lines(), pattern in pattern(), action in action(), resource in resource()
    ) {
        let before = permissions.allow(action, &resource);
        let with = |effect| {
            let line = Permission { effect, resource: pattern.clone(), actions: vec![action] };
            let mut lines = permissions.0.clone();
            lines.insert(0, line);
            Permissions::new(lines).allow(action, &resource)
        };
        prop_assert!(before || !with(Effect::Deny));
        prop_assert!(!before || with(Effect::Allow));
    }

    #[test]
    fn the_order_of_the_lines_means_nothing(permissions in lines(), action in action(), resource in resource()) {
        let mut reversed = permissions.clone();
        reversed.0.reverse();
        prop_assert_eq!(permissions.allow(action, &resource), reversed.allow(action, &resource));
    }

    #[test]
    fn what_is_covered_allows_nothing_more(
        maker in lines(), given in lines(), action in action(), resource in resource()
    ) {
        if maker.cover(&given) && given.allow(action, &resource) {
            prop_assert!(maker.allow(action, &resource), "{maker:?} covers {given:?} at {resource}");
        }
    }

    #[test]
    fn everybody_covers_themselves_and_the_administrator_covers_everybody(permissions in lines()) {
        prop_assert!(permissions.cover(&permissions));
        prop_assert!(Permissions::all().cover(&permissions));
    }

    #[test]
    fn reading_a_pattern_back_gives_the_same(pattern in pattern()) {
        prop_assert_eq!(Pattern::parse(&pattern.to_string()), Ok(pattern));
    }
}
