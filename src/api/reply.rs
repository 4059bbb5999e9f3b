//! The envelope of every answer, and how long a page is.

use actix_web::HttpResponse;
use serde::Serialize;

use super::problem::ApiError;

/// How much a page has, unless it is asked for.
const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 100;

#[derive(Serialize)]
struct Envelope<T> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
}

/// `200` with data.
pub(super) fn data<T: Serialize>(data: T) -> HttpResponse {
    HttpResponse::Ok().json(Envelope {
        success: true,
        message: None,
        data: Some(data),
    })
}

/// `202` with data: what was asked for will be done.
pub(super) fn accepted<T: Serialize>(data: T) -> HttpResponse {
    HttpResponse::Accepted().json(Envelope {
        success: true,
        message: None,
        data: Some(data),
    })
}

/// `200` with a word about what was done.
pub(super) fn done(message: &'static str) -> HttpResponse {
    HttpResponse::Ok().json(Envelope::<()> {
        success: true,
        message: Some(message),
        data: None,
    })
}

/// How much a page is to have.
pub(super) fn limit(asked: Option<u16>) -> Result<u16, ApiError> {
    match asked.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        _ => Err(ApiError::bad_request(format!("limit must be 1 to {MAX_LIMIT}"))),
    }
}
