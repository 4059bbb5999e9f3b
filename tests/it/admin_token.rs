//! The token that guards the admin port.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use jobber::store::AdminToken;
use secrecy::ExposeSecret;

use crate::support::TestDatabase;

#[tokio::test]
async fn the_token_is_made_once_and_stays_valid() {
    let db = TestDatabase::new().await;
    let data = tempfile::tempdir().unwrap();
    let first = AdminToken::ensure(&db.database, data.path()).await.unwrap();
    let token = first.token.expect("it was just made");
    assert!(first.created);
    assert_eq!(token.expose_secret().len(), 64);
    assert!(first.guard.admits(token.expose_secret()));
    assert!(!first.guard.admits("") && !first.guard.admits(&token.expose_secret()[1..]));
    assert_eq!(
        fs::metadata(&first.file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let again = AdminToken::ensure(&db.database, data.path()).await.unwrap();
    assert!(!again.created);
    assert_eq!(again.token.unwrap().expose_secret(), token.expose_secret());
    assert!(again.guard.admits(token.expose_secret()));

    fs::remove_file(&first.file).unwrap();
    let lost = AdminToken::ensure(&db.database, data.path()).await.unwrap();
    assert!(lost.token.is_none() && !lost.created);
    assert!(
        lost.guard.admits(token.expose_secret()),
        "who has it may still use it"
    );

    let replaced = AdminToken::replace(&db.database, data.path()).await.unwrap();
    assert!(replaced.created && !replaced.guard.admits(token.expose_secret()));
}

#[tokio::test]
async fn servers_that_start_together_agree_on_one_token() {
    let db = TestDatabase::new().await;
    let data = tempfile::tempdir().unwrap();
    let (one, two) = tokio::join!(
        AdminToken::ensure(&db.database, data.path()),
        AdminToken::ensure(&db.database, data.path())
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.created != two.created);
    assert_eq!(
        one.token.unwrap().expose_secret(),
        two.token.unwrap().expose_secret()
    );
}
