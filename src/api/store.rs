//! What a job's functions keep, as people and scripts see it.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use jobber_actors::domain::JobId;
use jobber_actors::ports::{Item, StoreError};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::openapi::schema::{AdditionalProperties, Object, OneOf, Schema, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::access::{Access, Change, note_change};
use super::input::{Body, Query};
use super::paging::ShortPaging;
use super::problem::ApiError;
use super::reply::{self, Data, Done, PageOf};
use super::state::ApiState;
use crate::access::Action;

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;
type Key = web::Path<(String, String)>;

/// Most bytes of a body with values: each byte of a text may take six, and there may be two.
pub(super) const MAX_BODY_BYTES: usize = 13 << 20;
/// Less is over before the answer is there, or is nothing at all once it is rounded.
const SHORTEST: Duration = Duration::from_millis(1);
/// A hundred years is for ever; more would overflow a date.
const LONGEST_SECONDS: f64 = 100.0 * 365.0 * 86_400.0;

/// Which keys.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Those that begin with this.
    #[serde(default)]
    #[param(max_length = 512, pattern = r"^[^\u0000]*$")]
    prefix: String,
}

/// A value, as text or in base64.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ItemValue {
    Text(String),
    Base64(#[serde(deserialize_with = "from_base64")] Vec<u8>),
}

/// The derived schema would let other properties stand beside the one.
impl PartialSchema for ItemValue {
    fn schema() -> RefOr<Schema> {
        let only = |name: &str, format: Option<KnownFormat>| {
            let text = Object::builder().schema_type(Type::String);
            let value = text.format(format.map(SchemaFormat::KnownFormat));
            let only = Object::builder().property(name, value).required(name);
            only.additional_properties(Some(AdditionalProperties::FreeForm(false)))
        };
        let value = OneOf::builder()
            .item(only("text", None))
            .item(only("base64", Some(KnownFormat::Byte)));
        value.description(Some("A value, as text or in base64.")).into()
    }
}

impl ToSchema for ItemValue {}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

impl From<ItemValue> for Bytes {
    fn from(value: ItemValue) -> Self {
        match value {
            ItemValue::Text(text) => text.into(),
            ItemValue::Base64(bytes) => bytes.into(),
        }
    }
}

/// A value to be set.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ItemSetting)]
#[serde(deny_unknown_fields)]
pub(super) struct Setting {
    value: ItemValue,
    /// In seconds.
    #[schema(exclusive_minimum = 0)]
    ttl: Option<f64>,
}

/// A value to be set if the present one is as expected.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ItemSwap)]
#[serde(deny_unknown_fields)]
pub(super) struct Swap {
    /// Nothing: only if the key is absent.
    expected: Option<ItemValue>,
    value: ItemValue,
    /// In seconds.
    #[schema(exclusive_minimum = 0)]
    ttl: Option<f64>,
}

/// What is to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ItemAddition)]
#[serde(deny_unknown_fields)]
pub(super) struct Addition {
    #[serde(default = "one", deserialize_with = "whole")]
    by: i64,
    /// In seconds.
    #[schema(exclusive_minimum = 0)]
    ttl: Option<f64>,
}

/// A whole number in any spelling of JSON: `2`, `2.0` and `2e0` are the same one.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    // Up to here a `f64` is exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let exact = number
        .as_f64()
        .filter(|number| number.fract() == 0.0 && number.abs() <= EXACT);
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
    let whole = number.as_i64().or_else(|| exact.map(|number| number as i64));
    whole.ok_or_else(|| serde::de::Error::custom(format!("{number} is no whole number of 64 bits")))
}

fn one() -> i64 {
    1
}

/// An item without its value.
#[derive(Serialize, ToSchema)]
#[schema(as = Item)]
struct Listed<'a> {
    key: &'a str,
    /// Bytes of the value.
    size: u64,
    expiry: Option<DateTime<Utc>>,
    created: DateTime<Utc>,
    modified: DateTime<Utc>,
}

impl<'a> Listed<'a> {
    fn of(key: &'a str, item: &Item) -> Self {
        Self {
            key,
            size: item.value.len() as u64,
            expiry: item.expiry,
            created: item.created,
            modified: item.modified,
        }
    }
}

/// An item with its value in base64, and as text if it is UTF-8.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenedItem)]
struct Opened<'a> {
    #[serde(flatten)]
    item: Listed<'a>,
    base64: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

/// Whether a value was swapped.
#[derive(Serialize, ToSchema)]
#[schema(as = ItemSwapped)]
struct Swapped {
    swapped: bool,
}

/// The sum.
#[derive(Serialize, ToSchema)]
#[schema(as = ItemSum)]
struct Sum {
    value: i64,
}

/// The items whose keys begin with a prefix, in the order of their keys' bytes.
#[utoipa::path(
    get, path = "/api/job/{job}/store", operation_id = "listItems",
    params(ShortPaging, Filter),
    responses((status = 200, body = PageOf<Listed<'_>>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/store"}))),
)]
pub(super) async fn list(
    state: State,
    access: Access,
    job: web::Path<String>,
    Query(paging): Query<ShortPaging>,
    Query(filter): Query<Filter>,
) -> Reply {
    let limit = paging.limit()?;
    let job = state.job(&access, Action::Read, &job, &["store"]).await?;
    let listed = state
        .functions
        .list(job.id, &filter.prefix, paging.cursor(), u32::from(limit));
    let page = listed.await.map_err(problem)?;
    let items = page.items.iter().map(|item| Listed {
        key: &item.key,
        size: item.size,
        expiry: item.expiry,
        created: item.created,
        modified: item.modified,
    });
    Ok(reply::page(items.collect(), page.next.clone()))
}

/// An item with its value.
#[utoipa::path(
    get, path = "/api/job/{job}/store/{key}", operation_id = "getItem",
    responses((status = 200, body = Data<Opened<'_>>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/store/{key}"}))),
)]
pub(super) async fn get(state: State, access: Access, path: Key) -> Reply {
    let (job, key) = allowed(&state, &access, Action::Read, path).await?;
    let found = state.functions.get(job, &key).await.map_err(problem)?;
    let item = found.ok_or_else(|| no_key(&key))?;
    Ok(reply::data(Opened {
        base64: STANDARD.encode(&item.value),
        text: std::str::from_utf8(&item.value).ok(),
        item: Listed::of(&key, &item),
    }))
}

/// Sets a value.
#[utoipa::path(
    put, path = "/api/job/{job}/store/{key}", operation_id = "setItem",
    request_body = Setting,
    responses((status = 200, body = Data<Listed<'_>>), (status = 422)),
    extensions(
        ("x-permission" = json!({"action": "write", "resource": "job/{job}/store/{key}"})),
        ("x-max-body-bytes" = json!(MAX_BODY_BYTES)),
    ),
)]
pub(super) async fn set(
    state: State,
    access: Access,
    request: HttpRequest,
    path: Key,
    Body(setting): Body<Setting>,
) -> Reply {
    let (job, key) = allowed(&state, &access, Action::Write, path).await?;
    let Setting { value, ttl } = setting;
    let set = state.functions.set(job, &key, value.into(), lifetime(ttl)?);
    let item = set.await.map_err(problem)?;
    let shown = Listed::of(&key, &item);
    note_change(&request, Change::made(&shown));
    Ok(reply::data(shown))
}

/// Sets a value only if the present one is as expected.
#[utoipa::path(
    post, path = "/api/job/{job}/store/{key}/compare-and-set", operation_id = "compareAndSetItem",
    request_body = Swap,
    responses((status = 200, body = Data<Swapped>), (status = 422)),
    extensions(
        ("x-permission" = json!({"action": "write", "resource": "job/{job}/store/{key}"})),
        ("x-max-body-bytes" = json!(MAX_BODY_BYTES)),
    ),
)]
pub(super) async fn compare_and_set(
    state: State,
    access: Access,
    path: Key,
    Body(swap): Body<Swap>,
) -> Reply {
    let (job, key) = allowed(&state, &access, Action::Write, path).await?;
    let Swap { expected, value, ttl } = swap;
    let expected = expected.map(Bytes::from);
    let ttl = lifetime(ttl)?;
    let swapped = state
        .functions
        .compare_and_set(job, &key, expected, value.into(), ttl);
    Ok(reply::data(Swapped {
        swapped: swapped.await.map_err(problem)?,
    }))
}

/// Adds to a whole number.
#[utoipa::path(
    post, path = "/api/job/{job}/store/{key}/increment", operation_id = "incrementItem",
    request_body = Addition,
    responses((status = 200, body = Data<Sum>), (status = 409), (status = 422)),
    extensions(("x-permission" = json!({"action": "write", "resource": "job/{job}/store/{key}"}))),
)]
pub(super) async fn increment(
    state: State,
    access: Access,
    path: Key,
    Body(addition): Body<Addition>,
) -> Reply {
    let (job, key) = allowed(&state, &access, Action::Write, path).await?;
    let Addition { by, ttl } = addition;
    let sum = state.functions.increment(job, &key, by, lifetime(ttl)?);
    Ok(reply::data(Sum {
        value: sum.await.map_err(problem)?,
    }))
}

/// Removes an item.
#[utoipa::path(
    delete, path = "/api/job/{job}/store/{key}", operation_id = "deleteItem",
    responses((status = 200, body = Done)),
    extensions(("x-permission" = json!({"action": "delete", "resource": "job/{job}/store/{key}"}))),
)]
pub(super) async fn remove(state: State, access: Access, request: HttpRequest, path: Key) -> Reply {
    let (job, key) = allowed(&state, &access, Action::Delete, path).await?;
    if !state.functions.delete(job, &key).await.map_err(problem)? {
        return Err(no_key(&key));
    }
    note_change(&request, Change::from(&json!({ "key": key })));
    Ok(reply::done("the item is removed"))
}

async fn allowed(
    state: &ApiState,
    access: &Access,
    action: Action,
    path: Key,
) -> Result<(JobId, String), ApiError> {
    let (job, key) = path.into_inner();
    let job = state.job(access, action, &job, &["store", &key]).await?;
    Ok((job.id, key))
}

fn lifetime(seconds: Option<f64>) -> Result<Option<Duration>, ApiError> {
    match seconds {
        None => Ok(None),
        Some(seconds) if seconds.is_finite() && seconds > 0.0 => Ok(Some(
            Duration::from_secs_f64(seconds.min(LONGEST_SECONDS)).max(SHORTEST),
        )),
        Some(_) => Err(ApiError::invalid(
            "/ttl",
            "ttl",
            "is a positive number of seconds",
        )),
    }
}

fn no_key(key: &str) -> ApiError {
    let detail = format!("the job's store has no key {key:?}");
    ApiError::new(StatusCode::NOT_FOUND, "key-not-found", detail)
}

fn problem(error: StoreError) -> ApiError {
    let detail = error.to_string();
    match error {
        StoreError::BadRequest(_) => ApiError::bad_request(detail),
        StoreError::TooLarge(_) => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "value-too-large", detail),
        StoreError::NotANumber => ApiError::new(StatusCode::CONFLICT, "not-a-number", detail),
        StoreError::Full => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "store-full", detail),
        StoreError::Unavailable(reason) => {
            tracing::error!(reason, "the functions' store does not answer");
            ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "database-unavailable",
                "the database does not answer",
            )
            .retry_after(Duration::from_secs(2))
        }
    }
}
