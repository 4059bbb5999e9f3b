//! Lists in parts.

use actix_web::HttpResponse;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::parameter::{whole_number, wrong};
use super::problem::ApiError;
use super::reply;
use crate::store::{Listing, Page, Place, Sort};

/// Which part of a list of what there is. A script that knows nothing of parts gets a thousand.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Most items.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<u16>,
    /// The `next` of the part before; it brings the order along, and filters have to be the same.
    #[param(max_length = 4096)]
    cursor: Option<String>,
}

/// Which part of a list of what happened, or of what functions keep: there may be much of it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ShortPaging {
    /// Most items.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u16>,
    /// The `next` of the part before; it brings the order along, and filters have to be the same.
    #[param(max_length = 4096)]
    cursor: Option<String>,
}

impl Paging {
    const DEFAULT: u16 = 1_000;
    const MOST: u16 = 1_000;

    /// The part that is meant.
    ///
    /// # Errors
    /// `400` for a limit or a cursor that can not be.
    pub(super) fn listing<S: Order>(&self, sort: Option<S>) -> Result<Listing<S>, ApiError> {
        let limit = limit(self.limit, Self::DEFAULT, Self::MOST)?;
        listing(limit, self.cursor.as_deref(), sort)
    }
}

impl ShortPaging {
    const DEFAULT: u16 = 50;
    const MOST: u16 = 100;

    /// The part that is meant.
    ///
    /// # Errors
    /// `400` for a limit or a cursor that can not be.
    pub(super) fn listing<S: Order>(&self, sort: Option<S>) -> Result<Listing<S>, ApiError> {
        listing(self.limit()?, self.cursor(), sort)
    }

    /// How much is asked for.
    ///
    /// # Errors
    /// `400` for a limit that can not be.
    pub(super) fn limit(&self) -> Result<u16, ApiError> {
        limit(self.limit, Self::DEFAULT, Self::MOST)
    }

    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }
}

/// An order that can be asked for.
pub(super) trait Order: Sort + Default + PartialEq + Serialize + DeserializeOwned {}

impl<S: Sort + Default + PartialEq + Serialize + DeserializeOwned> Order for S {}

/// How much a part is to have.
///
/// # Errors
/// `400` for more than there may be, or for nothing.
pub(super) fn limit(asked: Option<u16>, default: u16, most: u16) -> Result<u16, ApiError> {
    match asked.unwrap_or(default) {
        limit if (1..=most).contains(&limit) => Ok(limit),
        limit => {
            let allowed = whole_number(Some(1), Some(most.into()));
            let message = wrong(&allowed, &limit.to_string());
            Err(ApiError::bad_parameter("limit", "out-of-range", message))
        }
    }
}

/// `200` with a part.
pub(super) fn part<T: Serialize>(page: Page<T>, sort: impl Serialize) -> HttpResponse {
    let next = page.end.map(|end| encode(sort, &end));
    reply::page(page.items, next)
}

/// `200` with those of a part that may be seen. Where the next part begins does not depend on that.
pub(super) fn visible<T: Serialize>(
    mut page: Page<T>,
    sort: impl Serialize,
    may_see: impl Fn(&T) -> bool,
) -> HttpResponse {
    page.items.retain(may_see);
    part(page, sort)
}

fn listing<S: Order>(limit: u16, cursor: Option<&str>, sort: Option<S>) -> Result<Listing<S>, ApiError> {
    let Some(cursor) = cursor else {
        return Ok(Listing {
            sort: sort.unwrap_or_default(),
            after: None,
            limit,
        });
    };
    let wrong = |message| ApiError::bad_parameter("cursor", "invalid", message);
    let (of, place) = decode::<S>(cursor).ok_or_else(|| wrong("is no cursor of this list"))?;
    if sort.is_some_and(|sort| sort != of) {
        return Err(wrong("belongs to another order of this list"));
    }
    Ok(Listing {
        sort: of,
        after: Some(place),
        limit,
    })
}

fn encode(sort: impl Serialize, place: &Place) -> String {
    let text = serde_json::to_vec(&(sort, place)).expect("names and texts are JSON");
    URL_SAFE_NO_PAD.encode(text)
}

fn decode<S: Order>(cursor: &str) -> Option<(S, Place)> {
    let text = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (sort, place): (S, Place) = serde_json::from_slice(&text).ok()?;
    sort.order().takes(&place).then_some((sort, place))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::{JobSort, VersionSort};

    fn paging(cursor: String) -> Paging {
        Paging {
            limit: None,
            cursor: Some(cursor),
        }
    }

    #[test]
    fn a_cursor_brings_its_order_along_and_fits_no_other() {
        let id = uuid::Uuid::nil();
        let place: Place = serde_json::from_value(json!(["2026-01-31T12:00:00.000001Z", id])).unwrap();
        let cursor = encode(JobSort::CreatedDescending, &place);
        let listing = paging(cursor.clone()).listing::<JobSort>(None).unwrap();
        assert_eq!(
            listing,
            Listing {
                sort: JobSort::CreatedDescending,
                after: Some(place.clone()),
                limit: 1_000
            }
        );
        assert!(
            paging(cursor.clone())
                .listing(Some(JobSort::CreatedDescending))
                .is_ok()
        );
        assert!(paging(cursor).listing(Some(JobSort::Name)).is_err());
        // A place of another order of the list, and no place at all.
        assert!(
            paging(encode(JobSort::Created, &place))
                .listing::<JobSort>(None)
                .is_ok()
        );
        let short: Place = serde_json::from_value(json!(["a"])).unwrap();
        for wrong in [encode(JobSort::Name, &short), "x".to_owned(), String::new()] {
            assert!(paging(wrong.clone()).listing::<JobSort>(None).is_err(), "{wrong}");
        }
        assert!(
            paging(encode("name", &place))
                .listing::<VersionSort>(None)
                .is_err()
        );
    }

    #[test]
    fn a_part_has_something_and_not_too_much() {
        let limit = |limit| ShortPaging { limit, cursor: None }.limit().ok();
        assert_eq!(
            [None, Some(0), Some(1), Some(100), Some(101)].map(limit),
            [Some(50), None, Some(1), Some(100), None]
        );
    }
}
