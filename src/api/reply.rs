//! The envelope of every answer.

use actix_web::HttpResponse;
use serde::Serialize;

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

/// `200` with a word about what was done.
pub(super) fn done(message: &'static str) -> HttpResponse {
    HttpResponse::Ok().json(Envelope::<()> {
        success: true,
        message: Some(message),
        data: None,
    })
}
