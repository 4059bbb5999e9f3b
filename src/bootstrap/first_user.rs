//! The administrator that the first start makes.

use rand::RngCore;
use secrecy::SecretString;

use super::BootstrapError;
use crate::access::{Passwords, Permissions};
use crate::config::AccessSection;
use crate::store::{Database, NewUser, UserStore};

/// Random bytes of a password that is made here.
const PASSWORD_BYTES: usize = 15;

/// A user that was made, with a password that nobody knows yet.
#[derive(Debug)]
pub struct FirstUser {
    /// Their name.
    pub username: String,
    /// Their password, to be shown once.
    pub password: SecretString,
}

/// Makes the first user, if there is none. Gives them only if somebody has to be told their password.
pub(super) async fn first_user(
    database: &Database,
    passwords: &Passwords,
    section: &AccessSection,
) -> Result<Option<FirstUser>, BootstrapError> {
    let users = UserStore::new(database.clone());
    // Looked for first: a hash costs more than a question.
    if users.any().await? {
        return Ok(None);
    }
    let made = section.startup_password.is_none();
    let password = section.startup_password.clone().unwrap_or_else(generate);
    let new = NewUser {
        username: section.startup_username.clone(),
        password: passwords.hash(password.clone()).await?,
        permissions: Permissions::all(),
        enabled: true,
    };
    let inserted = users.insert_first(&new).await?;
    Ok(inserted.filter(|_| made).map(|user| FirstUser {
        username: user.username,
        password,
    }))
}

/// Letters and digits: 120 random bits, in groups that can be typed.
fn generate() -> SecretString {
    let mut random = [0; PASSWORD_BYTES];
    rand::rng().fill_bytes(&mut random);
    let hex = hex::encode(random);
    let (groups, _) = hex.as_bytes().as_chunks::<6>();
    let groups: Vec<&str> = groups
        .iter()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    SecretString::from(groups.join("-"))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_password_has_five_groups_and_is_another_each_time() {
        let (one, two) = (generate(), generate());
        assert_ne!(one.expose_secret(), two.expose_secret());
        assert_eq!(one.expose_secret().split('-').count(), 5);
        assert!(one.expose_secret().len() == 34);
    }
}
