//! The envelope of every answer, and how long a page is.

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::ApiError;

/// How much a page has, unless it is asked for.
const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 100;

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

/// A part of a list.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Where the next part begins: what `cursor` takes. Nothing after the last part.
    pub(super) next: Option<String>,
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
pub(super) fn page<T: Serialize>(Page { items, next }: Page<T>) -> HttpResponse {
    HttpResponse::Ok().json(PageOf {
        success: true,
        data: items,
        next,
    })
}

/// Where the next part begins after this one, of which so much was asked for.
fn next<T>(items: &[T], limit: u16, cursor: impl FnOnce(&T) -> String) -> Option<String> {
    let full = items.len() == usize::from(limit);
    items.last().filter(|_| full).map(cursor)
}

/// `200` with those of a part of a list that may be seen. Where the next part begins does not depend on that.
pub(super) fn visible<T: Serialize>(
    mut items: Vec<T>,
    limit: u16,
    cursor: impl FnOnce(&T) -> String,
    may_see: impl Fn(&T) -> bool,
) -> HttpResponse {
    let next = next(&items, limit, cursor);
    items.retain(may_see);
    page(Page { items, next })
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

/// `202` with data: what was asked for will be done.
pub(super) fn accepted<T: Serialize>(data: T) -> HttpResponse {
    HttpResponse::Accepted().json(with_data(data))
}

/// `200` with a word about what was done.
pub(super) fn done(message: &'static str) -> HttpResponse {
    HttpResponse::Ok().json(with_message(message))
}

/// How much a page is to have.
pub(super) fn limit(asked: Option<u16>) -> Result<u16, ApiError> {
    match asked.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        _ => Err(ApiError::bad_request(format!("limit must be 1 to {MAX_LIMIT}"))),
    }
}
