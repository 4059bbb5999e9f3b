//! What findings come to.

use std::time::Duration;

use jobber_actors::mqtt::LineState;
use tokio::time::advance;

use super::monitor::{Misses, connected};
use super::*;

fn all_well() -> Health {
    let health = Health::default();
    for check in Check::ALL {
        health.found(check, Finding::Well);
    }
    health
}

fn status(health: &Health, port: Port, check: Check) -> (CheckStatus, Option<Reason>) {
    let report = health.report(port);
    let of = report.checks.iter().find(|report| report.check == check).unwrap();
    (of.status, of.reason)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_ready_before_it_was_looked_at() {
    let health = Health::default();
    for port in [Port::Admin, Port::Gateway] {
        assert!(!health.report(port).is_ready());
        assert_eq!(
            status(&health, port, Check::Catalogue),
            (CheckStatus::Failed, Some(Reason::Starting))
        );
        assert_eq!(status(&health, port, Check::Server), (CheckStatus::Ok, None));
        assert!(all_well().report(port).is_ready());
        assert_eq!(all_well().report(port).status, CheckStatus::Ok);
    }
}

#[tokio::test(start_paused = true)]
async fn each_port_goes_by_what_it_needs() {
    let expected = [
        (Check::Server, true, true),
        (Check::Database, false, true),
        (Check::Catalogue, true, true),
        (Check::Engine, true, true),
        (Check::LogStore, false, false),
        (Check::Gateway, true, true),
        (Check::Jobs, false, false),
        (Check::Brokers, false, false),
    ];
    assert_eq!(expected.map(|(check, ..)| check), Check::ALL);
    for (check, gateway, admin) in expected {
        let health = all_well();
        health.found(check, Finding::amiss(Reason::Unavailable));
        for (port, decides) in [(Port::Gateway, gateway), (Port::Admin, admin)] {
            let report = health.report(port);
            assert_eq!(report.is_ready(), !decides, "{check:?} on {port:?}");
            let amiss: Vec<_> = report.amiss().map(|report| report.check).collect();
            assert_eq!(amiss, [check]);
            assert_ne!(report.status, CheckStatus::Ok);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn details_are_for_the_operator_alone() {
    let health = all_well();
    let detail = "connection refused by 10.0.0.7".to_owned();
    health.found(
        Check::Database,
        Finding::Amiss {
            reason: Reason::Unavailable,
            detail: Some(detail.clone()),
        },
    );
    let of = |port| {
        let report = health.report(port);
        report
            .checks
            .into_iter()
            .find(|of| of.check == Check::Database)
            .unwrap()
    };
    assert_eq!(of(Port::Admin).detail, Some(detail));
    assert!(of(Port::Admin).since.is_some());
    let told = serde_json::to_value(of(Port::Gateway)).unwrap();
    assert_eq!(
        told,
        serde_json::json!({ "check": "database", "status": "degraded", "reason": "unavailable" })
    );
}

#[tokio::test(start_paused = true)]
async fn since_when_does_not_move_while_the_reason_is_the_same() {
    let health = all_well();
    let since = || {
        let report = health.report(Port::Admin);
        report.amiss().next().unwrap().since
    };
    let amiss = |detail: &str| Finding::Amiss {
        reason: Reason::Unavailable,
        detail: Some(detail.to_owned()),
    };
    health.found(Check::Engine, amiss("one"));
    let first = since();
    health.found(Check::Engine, amiss("two"));
    assert_eq!(since(), first);
    assert_eq!(
        health
            .report(Port::Admin)
            .amiss()
            .next()
            .unwrap()
            .detail
            .as_deref(),
        Some("two")
    );
}

#[tokio::test(start_paused = true)]
async fn what_nobody_looks_at_any_more_is_not_believed() {
    let health = all_well();
    advance(Duration::from_secs(14)).await;
    assert!(health.report(Port::Gateway).is_ready());
    health.found(Check::Database, Finding::Well);
    advance(Duration::from_secs(2)).await;
    assert_eq!(
        status(&health, Port::Gateway, Check::Engine),
        (CheckStatus::Failed, Some(Reason::NotChecked))
    );
    for check in [Check::Server, Check::Catalogue, Check::Gateway, Check::Database] {
        assert_eq!(
            status(&health, Port::Admin, check),
            (CheckStatus::Ok, None),
            "{check:?}"
        );
    }
}

#[test]
fn one_slow_answer_is_no_outage() {
    let misses = Misses::default();
    let slow = || Finding::amiss(Reason::TimedOut);
    assert_eq!(misses.confirm(slow()), None);
    assert_eq!(misses.confirm(slow()), Some(slow()));
    assert_eq!(misses.confirm(slow()), Some(slow()));
    assert_eq!(misses.confirm(Finding::Well), Some(Finding::Well));
    assert_eq!(misses.confirm(slow()), None, "it has answered since");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_down_is_ready_for_nothing() {
    let health = all_well();
    health.shutting_down();
    for port in [Port::Admin, Port::Gateway] {
        assert!(!health.report(port).is_ready());
        assert_eq!(
            status(&health, port, Check::Server),
            (CheckStatus::Failed, Some(Reason::ShuttingDown))
        );
    }
}

#[test]
fn a_broker_is_lost_when_it_is_not_connected_any_more() {
    let lost = LineState::Disconnected {
        reason: "connection refused".to_owned(),
    };
    let standing = [LineState::Connected, LineState::Connecting, LineState::Full];
    assert_eq!(connected(standing.iter()), Finding::Well);
    let Finding::Amiss { reason, detail } = connected(standing.iter().chain([&lost])) else {
        panic!("one is lost");
    };
    assert_eq!(reason, Reason::NotConnected);
    assert!(detail.unwrap().starts_with("1 of 4 connections"));
}
