//! The envelope of every answer.

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use serde::Serialize;
use utoipa::ToSchema;

/// An answer with data.
#[derive(Serialize, ToSchema)]
pub(super) struct Data<T> {
    /// `true`.
    success: bool,
    data: T,
}

/// An answer with a word about what was done.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    /// `true`.
    success: bool,
    /// What was done, for people.
    message: &'static str,
}

/// An answer with data and a word about it.
#[derive(Serialize, ToSchema)]
pub(super) struct Described<T> {
    /// `true`.
    success: bool,
    /// What it comes to, for people.
    message: &'static str,
    data: T,
}

/// An answer with a part of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct PageOf<T> {
    /// `true`.
    success: bool,
    data: Vec<T>,
    /// What `cursor` takes for the next part; `null` after the last one.
    #[schema(required)]
    next: Option<String>,
}

fn with_data<T: Serialize>(data: T) -> Data<T> {
    Data { success: true, data }
}

fn with_message(message: &'static str) -> Done {
    Done {
        success: true,
        message,
    }
}

/// `200` with a part of a list.
pub(super) fn page<T: Serialize>(data: Vec<T>, next: Option<String>) -> HttpResponse {
    HttpResponse::Ok().json(PageOf {
        success: true,
        data,
        next,
    })
}

/// `201` with what was made.
pub(super) fn created<T: Serialize>(data: T) -> HttpResponse {
    HttpResponse::Created().json(with_data(data))
}

/// `200` with data and a cookie.
pub(super) fn with_cookie<T: Serialize>(data: T, cookie: Cookie<'_>) -> HttpResponse {
    HttpResponse::Ok().cookie(cookie).json(with_data(data))
}

/// `200` with a word about what was done, and a cookie.
pub(super) fn done_with_cookie(message: &'static str, cookie: Cookie<'_>) -> HttpResponse {
    HttpResponse::Ok().cookie(cookie).json(with_message(message))
}

/// `200` with data.
pub(super) fn data<T: Serialize>(data: T) -> HttpResponse {
    HttpResponse::Ok().json(with_data(data))
}

/// `200` with data and a word about it.
pub(super) fn described<T: Serialize>(message: &'static str, data: T) -> HttpResponse {
    HttpResponse::Ok().json(Described {
        success: true,
        message,
        data,
    })
}

/// `202` with data: what was asked for will be done.
pub(super) fn accepted<T: Serialize>(data: T) -> HttpResponse {
    HttpResponse::Accepted().json(with_data(data))
}

/// `200` with a word about what was done.
pub(super) fn done(message: &'static str) -> HttpResponse {
    HttpResponse::Ok().json(with_message(message))
}

/// A name that any system takes for a file's.
pub(super) fn file_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    name.chars().map(|c| if plain(c) { c } else { '-' }).collect()
}
