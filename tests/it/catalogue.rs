//! What the reconciler reads.

use jobber::publish::PublishOptions;
use jobber::store::{EnvironmentStore, Listing, VariableKind};
use jobber_actors::domain::{ImportState, JobId, VersionId};
use jobber_actors::ports::Catalogue;
use serde_json::json;

use crate::support::{Package, Publishing};

#[tokio::test]
async fn a_job_is_what_its_active_version_and_its_variables_say() {
    let publishing = Publishing::new().await;
    let kept = PublishOptions {
        activate: false,
        force: false,
        by: None,
    };
    let package = Package::new("@scope/a", "1.0.0").routes(&["/a", "/b"]);
    let published = publishing.publish_zip(&package.zip(), kept).await.unwrap();
    let job = publishing.catalogue.job(published.job_id).await.unwrap().unwrap();
    assert!(job.enabled && job.active.is_none());

    publishing
        .versions
        .activate(published.job_id, published.job_version_id, true)
        .await
        .unwrap();
    let environment = EnvironmentStore::new(publishing.db.database.clone(), publishing.keys.clone());
    environment
        .set(job.id, "KEY", VariableKind::Secret, &"hidden".to_owned().into())
        .await
        .unwrap();
    let job = publishing.catalogue.job(published.job_id).await.unwrap().unwrap();
    let version = job.active.expect("it is active");
    assert_eq!((job.name.as_ref(), version.name.as_ref()), ("@scope/a", "1.0.0"));
    assert_eq!((version.files, version.import), (2, ImportState::Succeeded));
    assert_eq!(
        version
            .triggers
            .iter()
            .map(|trigger| trigger.index)
            .collect::<Vec<_>>(),
        [0, 1]
    );
    assert_eq!(version.manifest.triggers.len(), 2);
    assert_eq!(job.environment.expose().collect::<Vec<_>>(), [("KEY", "hidden")]);
    assert_eq!(publishing.catalogue.jobs().await.unwrap().len(), 1);

    let listed = environment
        .list(job.id, None, &Listing::default())
        .await
        .unwrap()
        .items;
    assert_eq!(
        (listed[0].name.as_str(), listed[0].value.as_deref()),
        ("KEY", None)
    );
    assert!(
        publishing
            .catalogue
            .job(JobId::generate())
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        publishing
            .catalogue
            .version(VersionId::generate())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_trigger_keeps_its_id_over_versions() {
    let publishing = Publishing::new().await;
    let triggers = |path: &str, other: &str| {
        json!([
            {"type": "http", "name": "named", "path": path},
            {"type": "http", "path": other},
            {"type": "schedule", "cron": "0 0 * * *"},
        ])
    };
    let package = |version: &str, path: &str, other: &str| {
        Package::new("a", version).with("triggers", triggers(path, other))
    };
    let one = publishing
        .publish(&package("1", "/one", "/x"))
        .await
        .unwrap()
        .triggers;
    let two = publishing
        .publish(&package("2", "/two", "/y"))
        .await
        .unwrap()
        .triggers;
    assert_eq!(one[0].id, two[0].id, "the same name, whatever its settings");
    assert_ne!(one[1].id, two[1].id, "no name and other settings");
    assert_eq!(one[2].id, two[2].id, "no name and the same settings");
    let three = publishing
        .publish(&package("3", "/one", "/x"))
        .await
        .unwrap()
        .triggers;
    assert_eq!(one, three, "an identity comes back");
}

#[tokio::test]
async fn a_version_that_can_not_be_read_does_not_keep_others_from_being_served() {
    let publishing = Publishing::new().await;
    publishing.publish(&Package::new("good", "1")).await.unwrap();
    let bad = publishing.publish(&Package::new("bad", "1")).await.unwrap();
    let client = publishing.db.client().await;
    let broken = "update versions set manifest = '{\"name\": 1}' where id = $1";
    client
        .execute(broken, &[bad.job_version_id.as_uuid()])
        .await
        .unwrap();
    let jobs = publishing.catalogue.jobs().await.unwrap();
    let mut serves: Vec<_> = jobs
        .iter()
        .map(|job| (job.name.as_ref(), job.active.is_some()))
        .collect();
    serves.sort_unstable();
    assert_eq!(serves, [("bad", false), ("good", true)]);
    assert!(publishing.catalogue.version(bad.job_version_id).await.is_err());
}

#[tokio::test]
async fn what_is_known_about_an_import_is_recorded() {
    let publishing = Publishing::new().await;
    let version = publishing
        .publish(&Package::new("a", "1"))
        .await
        .unwrap()
        .job_version_id;
    for state in [ImportState::Failed, ImportState::Succeeded, ImportState::Untried] {
        publishing.catalogue.record_import(version, state).await.unwrap();
        assert_eq!(
            publishing
                .catalogue
                .version(version)
                .await
                .unwrap()
                .unwrap()
                .import,
            state
        );
    }
}
