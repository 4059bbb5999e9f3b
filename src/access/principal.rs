//! Who makes a request.

use jobber_actors::domain::{ApiTokenId, SessionId, UserId};

use super::permission::{Action, Permissions, Resource};

/// How somebody proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// By the token in the instance's own data folder: whoever can read that may do everything.
    Instance,
    /// By a session.
    User {
        /// The user.
        user: UserId,
        /// Their name when they proved themselves.
        name: String,
        /// The session.
        session: SessionId,
    },
    /// By a token.
    Token {
        /// Whose token it is.
        user: UserId,
        /// Their name.
        name: String,
        /// The token.
        token: ApiTokenId,
    },
}

/// Somebody who was let in, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub who: Who,
    /// Of the user.
    pub permissions: Permissions,
    /// Of the token: it can never do more than its user.
    pub narrowed: Option<Permissions>,
}

impl Principal {
    /// Whoever holds the instance's own token.
    #[must_use]
    pub fn instance() -> Self {
        Self {
            who: Who::Instance,
            permissions: Permissions::all(),
            narrowed: None,
        }
    }

    /// The user, unless it is the instance itself.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        match &self.who {
            Who::Instance => None,
            Who::User { user, .. } | Who::Token { user, .. } => Some(*user),
        }
    }

    /// Whether they may do this.
    #[must_use]
    pub fn may(&self, action: Action, resource: &Resource) -> bool {
        let own = [Some(&self.permissions), self.narrowed.as_ref()];
        own.into_iter()
            .flatten()
            .all(|permissions| permissions.allow(action, resource))
    }

    /// Whether they may give these permissions to somebody: nobody gives more than they have.
    #[must_use]
    pub fn may_give(&self, given: &Permissions) -> bool {
        let own = [Some(&self.permissions), self.narrowed.as_ref()];
        own.into_iter()
            .flatten()
            .all(|permissions| permissions.cover(given))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_does_what_both_its_user_and_itself_may() {
        let permissions = |lines| serde_json::from_value(lines).unwrap();
        let read = |resource| json!([{ "effect": "allow", "resource": resource, "actions": ["read"] }]);
        let token = Principal {
            who: Who::Token {
                user: UserId::generate(),
                name: "ada".into(),
                token: ApiTokenId::generate(),
            },
            permissions: permissions(read("job/a")),
            narrowed: Some(permissions(read("job"))),
        };
        let may = |name: &str| token.may(Action::Read, &Resource::of("job").below(name));
        assert!(may("a") && !may("b"));
        assert!(token.may_give(&permissions(read("job/a"))) && !token.may_give(&permissions(read("job"))));
    }
}
