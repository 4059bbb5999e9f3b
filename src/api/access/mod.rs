//! Nobody gets past without proving who they are, nothing is done that they may not do, and every change is written down.

mod audit;
mod identity;

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

pub(super) use audit::{Change, address, blank, note_change, record};
pub(super) use identity::{COOKIE, authenticate, identify};

use super::problem::ApiError;
use crate::access::{Action, Principal, Resource, Who};
use crate::store::PublishedBy;

/// Whoever makes the request. Only behind [`authenticate`].
pub(super) struct Access(pub(super) Principal);

impl Access {
    /// Whether they may do this.
    pub(super) fn may(&self, action: Action, resource: &Resource) -> bool {
        self.0.may(action, resource)
    }

    /// How they are named as publishers.
    pub(super) fn published_by(&self) -> Option<PublishedBy> {
        match &self.0.who {
            Who::Instance => None,
            Who::User { user, name, .. } | Who::Token { user, name, .. } => Some(PublishedBy {
                user_id: Some(*user),
                username: name.clone(),
            }),
        }
    }

    /// Refuses what they may not do.
    ///
    /// # Errors
    /// `403` with what is missing.
    pub(super) fn require(&self, action: Action, resource: &Resource) -> Result<(), ApiError> {
        if self.may(action, resource) {
            Ok(())
        } else {
            Err(ApiError::forbidden(action, resource))
        }
    }
}

impl FromRequest for Access {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let principal = request.extensions().get::<Principal>().cloned();
        ready(principal.map(Self).ok_or_else(ApiError::unauthorized))
    }
}
