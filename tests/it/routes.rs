//! No two jobs answer the same route.

use futures_util::future::join_all;
use jobber::publish::{PublishError, PublishOptions};
use jobber::store::{ActivateError, JobPatch, JobStatus};

use crate::support::{Package, Publishing};

const INACTIVE: PublishOptions = PublishOptions {
    activate: false,
    force: false,
    by: None,
};

fn disabled() -> JobPatch {
    JobPatch {
        status: Some(JobStatus::Disabled),
        ..JobPatch::default()
    }
}

fn enabled() -> JobPatch {
    JobPatch {
        status: Some(JobStatus::Enabled),
        ..JobPatch::default()
    }
}

#[tokio::test]
async fn a_taken_route_is_refused_and_the_job_that_has_it_is_named() {
    let publishing = Publishing::new().await;
    publishing
        .publish(&Package::new("first", "1").routes(&["/users/:id", "/x"]))
        .await
        .unwrap();
    let error = publishing
        .publish(&Package::new("second", "1").routes(&["/y", "/users/:name"]))
        .await
        .unwrap_err();
    let PublishError::RoutesTaken(conflicts) = &error else {
        panic!("{error}")
    };
    assert_eq!(
        (conflicts.len(), conflicts[0].job.as_str(), conflicts[0].trigger),
        (1, "first", Some(1))
    );
    assert_eq!(
        publishing.leftovers().await,
        (1, 1, 1),
        "nothing of the second is left"
    );
    // Its own routes are no obstacle for a job, and neither are more or less specific ones of others.
    publishing
        .publish(&Package::new("first", "2").routes(&["/users/:key"]))
        .await
        .unwrap();
    publishing
        .publish(&Package::new("second", "1").routes(&["/x", "/users/me", "/users/*rest"]))
        .await
        .unwrap();
}

#[tokio::test]
async fn of_many_that_want_a_route_at_once_exactly_one_gets_it() {
    let publishing = Publishing::new().await;
    let mut versions = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        let package = Package::new(name, "1").routes(&["/the-one"]);
        let published = publishing.publish_zip(&package.zip(), INACTIVE).await.unwrap();
        assert!(!published.active);
        versions.push((published.job_id, published.job_version_id));
    }
    let activations = versions
        .iter()
        .map(|(job, version)| publishing.versions.activate(*job, *version, true));
    let results = join_all(activations).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let refused = results
        .iter()
        .filter(|result| matches!(result, Err(ActivateError::Conflict(_))))
        .count();
    assert_eq!(refused, 5);
}

#[tokio::test]
async fn of_many_published_at_once_exactly_one_serves_and_the_others_leave_nothing() {
    let publishing = Publishing::new().await;
    let packages = ["a", "b", "c", "d"].map(|name| Package::new(name, "1").routes(&["/the-one"]));
    let results = join_all(packages.iter().map(|package| publishing.publish(package))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(publishing.leftovers().await, (1, 1, 1));
}

#[tokio::test]
async fn a_disabled_job_gives_its_routes_up_and_gets_them_back_only_if_they_are_free() {
    let publishing = Publishing::new().await;
    let old = publishing
        .publish(&Package::new("old", "1").routes(&["/x/:old"]))
        .await
        .unwrap();
    publishing.jobs.update(old.job_id, &disabled()).await.unwrap();
    let new = publishing
        .publish(&Package::new("new", "1").routes(&["/x/:new"]))
        .await
        .unwrap();

    // Whoever wants a route reads it as they have written it.
    let refused = publishing.jobs.update(old.job_id, &enabled()).await.unwrap_err();
    assert!(
        refused.to_string().contains("/x/:old belongs to job new"),
        "{refused}"
    );
    let third = Package::new("third", "1").routes(&["/x/:third"]);
    let refused = publishing.publish(&third).await.unwrap_err();
    assert!(
        refused.to_string().contains("/x/:third belongs to job new"),
        "{refused}"
    );
    let kept = publishing
        .publish_zip(
            &Package::new("fourth", "1").routes(&["/y", "/z/:fourth"]).zip(),
            INACTIVE,
        )
        .await
        .unwrap();
    publishing
        .publish(&Package::new("fifth", "1").routes(&["/z/:fifth"]))
        .await
        .unwrap();
    let refused = publishing
        .versions
        .activate(kept.job_id, kept.job_version_id, true)
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("/z/:fourth belongs to job fifth"),
        "{refused}"
    );
    assert_eq!(
        publishing.jobs.find("old").await.unwrap().unwrap().status,
        JobStatus::Disabled
    );
    publishing.jobs.remove(new.job_id).await.unwrap();
    publishing.jobs.update(old.job_id, &enabled()).await.unwrap();
}
