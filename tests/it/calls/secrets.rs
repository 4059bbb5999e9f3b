//! The keys change: addresses and signatures stay.

use std::sync::Arc;
use std::time::Duration;

use jobber::sealing::{KeySource, Keys};
use jobber::store::{SecretStore, discard, establish_keys, reseal};
use secrecy::ExposeSecret;

use crate::support::{Package, Publishing};

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_sealed_anew_and_stay_what_they_are() {
    let publishing = Publishing::new().await;
    let job = publishing.publish(&Package::new("a", "1")).await.unwrap().job_id;
    let database = &publishing.db.database;
    let store = SecretStore::new(database.clone(), Arc::clone(&publishing.keys));
    establish_keys(database, &publishing.keys).await.unwrap();
    let locations = store.locations().await.unwrap();
    let callbacks = store.callbacks(job).await.unwrap().unwrap();
    assert!(callbacks.former.is_none());
    assert!(
        store
            .rotate_callbacks(job, Duration::from_secs(60))
            .await
            .unwrap()
    );

    assert!(publishing.keys.add().unwrap());
    let resealed = reseal(database, &publishing.keys).await.unwrap();
    assert_eq!(
        (resealed.values, resealed.unused.len(), resealed.unopened.len()),
        (3, 1, 0)
    );
    assert_eq!(
        store.locations().await.unwrap().expose_secret(),
        locations.expose_secret()
    );
    let rotated = store.callbacks(job).await.unwrap().unwrap();
    let (former, _) = rotated.former.unwrap();
    assert_eq!(former.expose_secret(), callbacks.current.expose_secret());
    assert_ne!(rotated.current.expose_secret(), callbacks.current.expose_secret());

    // The keys are lost: what does not open is given up, and made anew.
    let folder = tempfile::tempdir().unwrap();
    let keys = Arc::new(Keys::load(KeySource::File(folder.path().join("master-key"))).unwrap());
    let store = SecretStore::new(database.clone(), Arc::clone(&keys));
    assert!(store.locations().await.is_err());
    let unopened = reseal(database, &keys).await.unwrap().unopened;
    assert_eq!(discard(database, &unopened).await.unwrap(), 3);
    assert_ne!(
        store.locations().await.unwrap().expose_secret(),
        locations.expose_secret()
    );
    let removed = publishing
        .db
        .client()
        .await
        .execute("delete from jobs", &[])
        .await
        .unwrap();
    assert_eq!(removed, 1);
    assert!(store.callbacks(job).await.unwrap().is_none());
    assert!(!store.rotate_callbacks(job, Duration::ZERO).await.unwrap());
}
