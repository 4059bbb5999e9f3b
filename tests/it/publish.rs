//! Publishing, with everything real but the runners.

use std::sync::Arc;
use std::time::Duration;

use jobber::archive::{ArchiveLimits, ArchiveRefusal};
use jobber::publish::{Change, PrepareFailure, PublishError, PublishOptions};
use jobber_actors::domain::ImportState;
use jobber_actors::invocation::FunctionError;
use serde_json::json;
use tokio::sync::Barrier;
use tokio::time::timeout;

use crate::support::{Package, Publishing, eventually};

const BOUND: Duration = Duration::from_secs(20);
const FORCE: PublishOptions = PublishOptions {
    activate: true,
    force: true,
    by: None,
};
const INACTIVE: PublishOptions = PublishOptions {
    activate: false,
    force: false,
    by: None,
};

fn thrown() -> PrepareFailure {
    PrepareFailure::Import(Box::new(FunctionError {
        name: "SyntaxError".to_owned(),
        message: "Unexpected token".to_owned(),
        stack: "SyntaxError: Unexpected token\n    at index.js:1\u{0}".to_owned(),
        code: None,
    }))
}

#[tokio::test]
async fn a_package_is_imported_then_activated_then_served() {
    let publishing = Publishing::new().await;
    let package = Package::new("hello", "1.0.0").with("action", json!({"runnerMinCuont": 1}));
    let published = publishing.publish(&package).await.unwrap();
    assert_eq!((published.change, published.active), (Change::Published, true));
    assert_eq!(
        published.routes[0].url.as_deref(),
        Some("http://localhost:3001/hello")
    );
    assert_eq!(published.warnings.len(), 1);
    assert_eq!(published.warnings[0].pointer, "/action/runnerMinCuont");
    assert_eq!(publishing.rollout.asked(), ["prepare", "prepared", "reconcile"]);
    assert_eq!(publishing.active("hello").await.unwrap(), "1.0.0");
    let known = publishing.versions.find("hello", "1.0.0").await.unwrap().unwrap();
    assert_eq!(known.import, ImportState::Succeeded);
}

#[tokio::test]
async fn nothing_of_a_refused_package_stays_behind() {
    let publishing = Publishing::new().await;
    let good = Package::new("hello", "1.0.0");
    let truncated = &good.zip()[..good.zip().len() / 2];
    for (what, zip) in [
        ("not a zip", b"hello".to_vec()),
        ("truncated", truncated.to_vec()),
        ("a way out", good.clone().file("../evil.js", "").zip()),
        (
            "two of a name",
            good.clone().file("A.js", "").file("a.js", "").zip(),
        ),
        ("no main", good.clone().without("index.js").zip()),
        ("a wrong name", good.clone().with("name", "publish").zip()),
        (
            "an unknown runtime",
            good.clone().with("engines", json!({"node": "<10"})).zip(),
        ),
        ("a wrong pattern", good.clone().routes(&["users/:id"]).zip()),
        ("NUL", good.clone().with("description", "a\u{0}b").zip()),
    ] {
        let error = publishing
            .publish_zip(&zip, PublishOptions::default())
            .await
            .expect_err(what);
        assert!(
            matches!(error, PublishError::Archive(_) | PublishError::Manifest(_)),
            "{what}: {error}"
        );
        assert_eq!(publishing.leftovers().await, (0, 0, 0), "{what}");
    }
    assert!(publishing.rollout.asked().is_empty());
}

#[tokio::test]
async fn all_faults_of_a_manifest_are_said_at_once() {
    let publishing = Publishing::new().await;
    let package = Package::new("Not Valid", "1")
        .with("main", "./gone.js")
        .with("action", json!({"runnerTimeout": "soon"}))
        .with(
            "triggers",
            json!([{"type": "http", "path": "^("}, {"type": "schedule", "cron": "61 * * * *"},
                   {"type": "schedule", "cron": "* * * * *", "timezone": "Moon/Base"},
                   {"type": "mqtt", "topics": ["a/#/b"], "connection": {"protocol": "mqtt", "host": "x"}}]),
        );
    let error = publishing.publish(&package).await.unwrap_err();
    let PublishError::Manifest(errors) = &error else {
        panic!("{error}")
    };
    let pointers: Vec<&str> = errors
        .problems
        .iter()
        .map(|problem| problem.pointer.as_str())
        .collect();
    for pointer in [
        "/name",
        "/main",
        "/action/runnerTimeout",
        "/triggers/0/path",
        "/triggers/1/cron",
        "/triggers/2/timezone",
        "/triggers/3/topics/0",
    ] {
        assert!(pointers.contains(&pointer), "{pointer} is not among {pointers:?}");
    }
}

#[tokio::test]
async fn the_same_content_again_changes_nothing() {
    let publishing = Publishing::new().await;
    let package = Package::new("hello", "1.0.0").file("a.txt", "a");
    let first = publishing.publish(&package).await.unwrap();
    let asked = publishing.rollout.asked().len();
    // Packed in another order, the content is the same.
    let again = publishing
        .publish(&package.clone().file("index.js", Package::MODULE))
        .await
        .unwrap();
    assert_eq!(again.change, Change::Unchanged);
    assert_eq!((again.job_version_id, again.active), (first.job_version_id, true));
    assert_eq!(again.triggers, first.triggers);
    assert_eq!(
        publishing.rollout.asked().len(),
        asked,
        "nobody was asked anything"
    );
    assert_eq!(publishing.leftovers().await, (1, 1, 1));
}

#[tokio::test]
async fn other_content_under_a_known_version_is_refused() {
    let publishing = Publishing::new().await;
    publishing.publish(&Package::new("hello", "1.0.0")).await.unwrap();
    let changed = Package::new("hello", "1.0.0").file("index.js", "changed");
    let error = publishing.publish(&changed).await.unwrap_err();
    assert!(
        matches!(&error, PublishError::VersionTaken { version, .. } if version == "1.0.0"),
        "{error}"
    );
    assert_eq!(publishing.leftovers().await, (1, 1, 1));
    publishing
        .publish(&changed.with("version", "1.0.1"))
        .await
        .unwrap();
    assert_eq!(publishing.active("hello").await.unwrap(), "1.0.1");
}

#[tokio::test]
async fn a_version_that_can_not_be_imported_is_kept_and_the_old_one_serves() {
    let publishing = Publishing::new().await;
    publishing.publish(&Package::new("hello", "1.0.0")).await.unwrap();
    let broken = Package::new("hello", "2.0.0").file("index.js", "syntax error");
    publishing.rollout.next_import(Err(thrown()));
    let error = publishing.publish(&broken).await.unwrap_err();
    let PublishError::ImportFailed {
        error: thrown_error, ..
    } = &error
    else {
        panic!("{error}")
    };
    assert!(thrown_error.stack.contains("index.js:1"));
    assert_eq!(publishing.active("hello").await.unwrap(), "1.0.0");

    let job = publishing.jobs.find("hello").await.unwrap().unwrap().id;
    let versions = publishing.versions_of(job).await;
    assert_eq!(versions.len(), 2);
    assert_eq!(
        (versions[0].import_state, versions[0].active),
        (ImportState::Failed, false)
    );
    assert_eq!(versions[0].import_error.as_ref().unwrap()["name"], "SyntaxError");

    // The same entries again try again.
    let published = publishing.publish(&broken).await.unwrap();
    assert_eq!((published.change, published.active), (Change::Activated, true));
    assert_eq!(publishing.active("hello").await.unwrap(), "2.0.0");
    let versions = publishing.versions_of(job).await;
    assert_eq!(
        (versions[0].import_state, &versions[0].import_error),
        (ImportState::Succeeded, &None)
    );
}

#[tokio::test]
async fn force_activates_what_can_not_be_imported() {
    let publishing = Publishing::new().await;
    let package = Package::new("hello", "1.0.0");
    publishing.rollout.next_import(Err(thrown()));
    let published = publishing.publish_zip(&package.zip(), FORCE).await.unwrap();
    assert!(published.active);
    assert_eq!(published.warnings.last().unwrap().code, "import-failed");
    assert_eq!(publishing.active("hello").await.unwrap(), "1.0.0");
}

#[tokio::test]
async fn a_job_says_which_version_it_does_not_serve_because_of_its_import() {
    let publishing = Publishing::new().await;
    let failed = async || {
        let job = publishing.jobs.find("hello").await.unwrap().unwrap();
        job.import_failed.map(|failed| failed.version)
    };
    publishing
        .publish_zip(&Package::new("hello", "1.0.0").zip(), INACTIVE)
        .await
        .unwrap();
    assert_eq!(failed().await, None);
    publishing.rollout.next_import(Err(thrown()));
    let second = Package::new("hello", "2.0.0");
    publishing.publish(&second).await.unwrap_err();
    assert_eq!(failed().await.unwrap(), "2.0.0");

    // One that is forced is active, and can not be imported all the same.
    publishing.rollout.next_import(Err(thrown()));
    publishing.publish_zip(&second.zip(), FORCE).await.unwrap();
    assert_eq!(failed().await.unwrap(), "2.0.0");
    publishing.publish(&second).await.unwrap();
    assert_eq!(failed().await, None);

    // What was published later does not matter while another one serves.
    publishing.rollout.next_import(Err(thrown()));
    publishing
        .publish(&Package::new("hello", "3.0.0"))
        .await
        .unwrap_err();
    assert_eq!(failed().await, None);
}

#[tokio::test]
async fn without_a_rollout_a_version_is_kept_and_can_be_activated_later() {
    let publishing = Publishing::new().await;
    publishing.publish(&Package::new("hello", "1.0.0")).await.unwrap();
    let asked = publishing.rollout.asked().len();
    let second = Package::new("hello", "2.0.0");
    let published = publishing.publish_zip(&second.zip(), INACTIVE).await.unwrap();
    assert_eq!((published.change, published.active), (Change::Published, false));
    assert_eq!(publishing.active("hello").await.unwrap(), "1.0.0");
    assert_eq!(publishing.rollout.asked().len(), asked);

    let activate = |version| {
        publishing
            .publisher
            .activate(published.job_id, "hello", version, false)
    };
    activate(published.job_version_id).await.unwrap();
    assert_eq!(publishing.active("hello").await.unwrap(), "2.0.0");
    let unknown = jobber_actors::domain::VersionId::generate();
    assert!(matches!(
        activate(unknown).await,
        Err(PublishError::NoSuchVersion)
    ));
}

#[tokio::test]
async fn an_engine_that_fails_is_not_the_packages_fault() {
    let publishing = Publishing::new().await;
    let package = Package::new("hello", "1.0.0");
    for (failure, kept) in [
        (
            PrepareFailure::Engine("no docker".to_owned()),
            ImportState::Untried,
        ),
        (
            PrepareFailure::TimedOut(Duration::from_secs(1)),
            ImportState::Untried,
        ),
        (
            PrepareFailure::Unavailable("stopping".to_owned()),
            ImportState::Untried,
        ),
    ] {
        publishing.rollout.next_import(Err(failure));
        publishing.publish(&package).await.unwrap_err();
        let job = publishing.jobs.find("hello").await.unwrap().unwrap();
        assert_eq!(job.version, None);
        assert_eq!(publishing.versions_of(job.id).await[0].import_state, kept);
    }
    assert!(publishing.publish(&package).await.unwrap().active);
}

#[tokio::test]
async fn two_publishes_of_a_job_take_turns() {
    let publishing = Publishing::new().await;
    let (one, two) = (Package::new("a", "1"), Package::new("a", "2"));
    let (one, two) = tokio::join!(publishing.publish(&one), publishing.publish(&two));
    one.unwrap();
    two.unwrap();
    let turn = ["prepare", "prepared", "reconcile"];
    assert_eq!(publishing.rollout.asked(), [turn, turn].concat());
}

#[tokio::test]
async fn publishes_of_different_jobs_do_not_wait_for_each_other() {
    let publishing = Publishing::new().await;
    publishing.rollout.meet_at(&Arc::new(Barrier::new(2)));
    let (a, b) = (Package::new("a", "1"), Package::new("b", "1"));
    let both = async { tokio::join!(publishing.publish(&a), publishing.publish(&b)) };
    let (a, b) = timeout(BOUND, both).await.expect("their imports should meet");
    a.unwrap();
    b.unwrap();
}

#[tokio::test]
async fn a_publish_that_nobody_waits_for_any_more_goes_on_to_its_end() {
    let publishing = Publishing::new().await;
    let import_may_end = Arc::new(Barrier::new(2));
    publishing.rollout.meet_at(&import_may_end);
    let package = Package::new("hello", "1.0.0");
    let import_began = eventually("the import began", async || {
        publishing
            .rollout
            .asked()
            .contains(&"prepare".to_owned())
            .then_some(())
    });
    tokio::select! {
        _ = publishing.publish(&package) => panic!("it should still import"),
        () = import_began => {}
    }
    timeout(BOUND, import_may_end.wait())
        .await
        .expect("the import should still be there");
    eventually("it serves", async || publishing.active("hello").await).await;
}

#[tokio::test]
async fn limits_of_size_are_refusals() {
    let limits = ArchiveLimits {
        packed_bytes: 1_000,
        unpacked_bytes: 2_000,
        ..ArchiveLimits::default()
    };
    let publishing = Publishing::limited(limits).await;
    let mut writer = publishing.publisher.upload().await.unwrap();
    assert!(writer.write(&[0; 1_001]).await.is_err());
    drop(writer);
    let large = Package::new("hello", "1").file("zeros", [0; 5_000]);
    let error = publishing.publish(&large).await.unwrap_err();
    let PublishError::Archive(refusal) = &error else {
        panic!("{error}")
    };
    assert!(
        matches!(refusal, ArchiveRefusal::UnpackedTooLarge { entry, .. } if entry == "zeros"),
        "{refusal}"
    );
    assert_eq!(publishing.leftovers().await, (0, 0, 0));
}

#[tokio::test]
async fn a_publish_that_breaks_off_in_the_middle_leaves_the_old_version_serving() {
    let publishing = Publishing::new().await;
    publishing.publish(&Package::new("hello", "1.0.0")).await.unwrap();
    let second = Package::new("hello", "2.0.0");
    publishing.rollout.panic_at_next_import();
    let error = publishing.publish(&second).await.unwrap_err();
    assert!(matches!(error, PublishError::Unavailable(_)), "{error}");
    assert_eq!(publishing.active("hello").await.unwrap(), "1.0.0");
    // What was held is free again, and the same archive goes on where it broke off.
    let published = publishing.publish(&second).await.unwrap();
    assert_eq!((published.change, published.active), (Change::Activated, true));
}
