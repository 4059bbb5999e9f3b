//! What the page to sign in may tell anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::ApiError;
use super::reply::{self, Data};
use super::state::ApiState;

/// Whether the first password still waits to be used.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FirstStart {
    /// Nobody has signed in yet since the first start made its user.
    first_sign_in_due: bool,
}

/// Remembers that somebody has signed in once: it stays true, and then costs no query.
#[derive(Clone, Debug, Default)]
pub(super) struct EverSignedIn(Arc<AtomicBool>);

/// Whether nobody has signed in yet. Says nothing else to whoever asks: neither who the user is nor where the password is.
#[utoipa::path(
    get, path = "/api/auth/first-start", operation_id = "getFirstStart",
    tag = "auth",
    security(()),
    responses((status = 200, body = Data<FirstStart>), (status = 500), (status = 503)),
)]
pub(super) async fn get(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let EverSignedIn(ever) = &state.ever_signed_in;
    let first_sign_in_due = !ever.load(Ordering::Relaxed) && state.users.first_sign_in_due().await?;
    if !first_sign_in_due && state.users.any().await? {
        ever.store(true, Ordering::Relaxed);
    }
    Ok(reply::data(FirstStart { first_sign_in_due }))
}
