//! Lists in parts: in which order they come, and where the next part begins.
//!
//! A part ends at a place: the values by which its last item is sorted. The next part is what comes after these values, so that
//! nothing is shown twice or left out when other items come and go meanwhile.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::database::Database;
use super::error::DatabaseError;

/// An order of a list, as it is asked for: `created` is the oldest first, `-created` the newest.
pub trait Sort: Copy {
    /// By what, and which way.
    fn order(self) -> Order;
}

/// By what a list is sorted, and which way.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    columns: &'static [Column],
    descending: bool,
}

/// What a list is sorted by. The last column of an order tells any two items apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    name: &'static str,
    expression: &'static str,
    kind: Kind,
}

/// What values a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Time,
    Number,
    Id,
}

const CREATION: [Column; 2] = [Column::time("created", "created"), Column::id("id", "id")];

/// Where a part of a list ends: a value for each column of the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place(Vec<String>);

/// Which part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<S> {
    /// The order.
    pub sort: S,
    /// What comes after this place; the beginning without one. [`Order::takes`] it.
    pub after: Option<Place>,
    /// Most items.
    pub limit: u16,
}

impl<S: Default> Default for Listing<S> {
    /// The beginning, as long as parts ever are.
    fn default() -> Self {
        Self {
            sort: S::default(),
            after: None,
            limit: 1_000,
        }
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order that was asked for.
    pub items: Vec<T>,
    /// Where this part ends, if there may be more.
    pub end: Option<Place>,
}

/// Each has the name by which a row has it, and what it is in SQL.
impl Column {
    pub(super) const fn text(name: &'static str, expression: &'static str) -> Self {
        Self::new(name, expression, Kind::Text)
    }

    pub(super) const fn time(name: &'static str, expression: &'static str) -> Self {
        Self::new(name, expression, Kind::Time)
    }

    pub(super) const fn number(name: &'static str, expression: &'static str) -> Self {
        Self::new(name, expression, Kind::Number)
    }

    pub(super) const fn id(name: &'static str, expression: &'static str) -> Self {
        Self::new(name, expression, Kind::Id)
    }

    const fn new(name: &'static str, expression: &'static str, kind: Kind) -> Self {
        Self {
            name,
            expression,
            kind,
        }
    }
}

impl Order {
    pub(super) const fn ascending(columns: &'static [Column]) -> Self {
        Self {
            columns,
            descending: false,
        }
    }

    pub(super) const fn descending(columns: &'static [Column]) -> Self {
        Self {
            columns,
            descending: true,
        }
    }

    /// By when something came to be, the oldest first. For what is in memory.
    #[must_use]
    pub const fn by_creation() -> Self {
        Self::ascending(&CREATION)
    }

    /// The other way round.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self {
            descending: !self.descending,
            ..self
        }
    }

    /// Whether a place is one of this order.
    #[must_use]
    pub fn takes(&self, place: &Place) -> bool {
        place.0.len() == self.columns.len()
            && place
                .0
                .iter()
                .zip(self.columns)
                .all(|(value, column)| column.kind.takes(value))
    }

    /// Ends a `select … where …`, which has `parameters` parameters already.
    fn complete(&self, select: &str, parameters: usize, is_first: bool) -> String {
        let Self {
            columns, descending, ..
        } = self;
        let list = |item: &dyn Fn(usize, &Column) -> String| {
            let items = columns.iter().enumerate();
            items
                .map(|(index, column)| item(index, column))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let expressions = list(&|_, column| column.expression.to_owned());
        let direction = if *descending { "desc" } else { "asc" };
        let order = list(&|_, column| format!("{} {direction}", column.expression));
        let mut statement = select.to_owned();
        let mut parameters = parameters;
        if !is_first {
            let after = if *descending { "<" } else { ">" };
            let place =
                list(&|index, column| format!("${}::text::{}", parameters + index + 1, column.kind.name()));
            statement += &format!(" and ({expressions}) {after} ({place})");
            parameters += columns.len();
        }
        statement + &format!(" order by {order} limit ${}", parameters + 1)
    }

    fn place_of(&self, row: &Row) -> Place {
        Place(
            self.columns
                .iter()
                .map(|column| column.kind.text(row, column.name))
                .collect(),
        )
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Time => "timestamptz",
            Self::Number => "bigint",
            Self::Id => "uuid",
        }
    }

    /// Whether Postgres takes this for a value of the kind.
    fn takes(self, value: &str) -> bool {
        match self {
            Self::Text => !value.contains('\0'),
            Self::Time => DateTime::parse_from_rfc3339(value).is_ok(),
            Self::Number => value.parse::<i64>().is_ok(),
            Self::Id => Uuid::try_parse(value).is_ok(),
        }
    }

    fn text(self, row: &Row, column: &str) -> String {
        match self {
            Self::Text => row.get(column),
            Self::Time => text_of_time(row.get(column)),
            Self::Number => row.get::<_, i64>(column).to_string(),
            Self::Id => row.get::<_, Uuid>(column).to_string(),
        }
    }
}

/// As exact as Postgres keeps it.
fn text_of_time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The pattern of `ilike` for what contains this text.
pub(super) fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// A part of what `select … where …` finds. It has the columns of every order.
///
/// # Errors
/// [`DatabaseError`], also the one that `item` makes of a row.
pub(super) async fn page<T>(
    database: &Database,
    select: &str,
    conditions: &[&(dyn ToSql + Sync)],
    listing: &Listing<impl Sort>,
    item: impl Fn(&Row) -> Result<T, DatabaseError>,
) -> Result<Page<T>, DatabaseError> {
    let Listing { sort, after, limit } = listing;
    let (rows, end) = rows(
        database,
        select,
        conditions,
        &sort.order(),
        after.as_ref(),
        *limit,
    )
    .await?;
    Ok(Page {
        items: rows.iter().map(item).collect::<Result<_, _>>()?,
        end,
    })
}

/// The rows of a part, and where it ends if there may be more.
pub(super) async fn rows(
    database: &Database,
    select: &str,
    conditions: &[&(dyn ToSql + Sync)],
    order: &Order,
    after: Option<&Place>,
    limit: u16,
) -> Result<(Vec<Row>, Option<Place>), DatabaseError> {
    let client = database.client().await?;
    let statement = order.complete(select, conditions.len(), after.is_none());
    let statement = client.prepare_cached(&statement).await?;
    let mut parameters = conditions.to_vec();
    let most = i64::from(limit);
    if let Some(Place(values)) = after {
        parameters.extend(values.iter().map(|value| value as &(dyn ToSql + Sync)));
    }
    parameters.push(&most);
    let rows = client.query(&statement, &parameters).await?;
    let is_full = rows.len() == usize::from(limit);
    let end = rows.last().filter(|_| is_full).map(|row| order.place_of(row));
    Ok((rows, end))
}

/// A part of what is in memory, where `key` says when something came to be, and its id.
#[must_use]
pub fn part_of<T>(
    mut items: Vec<T>,
    listing: &Listing<impl Sort>,
    key: impl Fn(&T) -> (DateTime<Utc>, Uuid),
) -> Page<T> {
    let Listing { sort, after, limit } = listing;
    let place = |item: &T| {
        let (time, id) = key(item);
        Place(vec![text_of_time(time), id.to_string()])
    };
    // Texts of times and of ids sort as these do.
    let descending = sort.order().descending;
    items.sort_by_cached_key(|item| place(item).0);
    if descending {
        items.reverse();
    }
    if let Some(after) = after {
        items.retain(|item| {
            let place = place(item);
            if descending {
                place.0 < after.0
            } else {
                place.0 > after.0
            }
        });
    }
    let is_full = items.len() >= usize::from(*limit);
    items.truncate(usize::from(*limit));
    Page {
        end: items.last().filter(|_| is_full).map(place),
        items,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY_TIME: [Column; 2] = [Column::time("created", "x.created_at"), Column::id("id", "x.id")];

    #[derive(Clone, Copy)]
    struct NewestFirst(bool);

    impl Sort for NewestFirst {
        fn order(self) -> Order {
            Order {
                columns: &BY_TIME,
                descending: self.0,
            }
        }
    }

    #[test]
    fn the_next_part_is_what_comes_after_the_place() {
        let oldest = Order::ascending(&BY_TIME);
        assert_eq!(
            oldest.complete("select 1 where $1", 1, true),
            "select 1 where $1 order by x.created_at asc, x.id asc limit $2"
        );
        let newest = Order::descending(&BY_TIME);
        assert_eq!(
            newest.complete("select 1 where $1", 1, false),
            "select 1 where $1 and (x.created_at, x.id) < ($2::text::timestamptz, $3::text::uuid) \
             order by x.created_at desc, x.id desc limit $4"
        );
    }

    #[test]
    fn a_place_that_postgres_would_not_read_is_none() {
        let order = Order::ascending(&BY_TIME);
        let id = Uuid::nil().to_string();
        let place = |values: &[&str]| Place(values.iter().map(|value| (*value).to_owned()).collect());
        assert!(order.takes(&place(&["2026-01-31T12:00:00.000001Z", &id])));
        for wrong in [
            place(&[]),
            place(&["2026-01-31T12:00:00Z"]),
            place(&["yesterday", &id]),
            place(&["2026-01-31T12:00:00Z", "x"]),
            place(&["2026-01-31T12:00:00Z", &id, &id]),
        ] {
            assert!(!order.takes(&wrong), "{wrong:?}");
        }
        assert!(!Kind::Text.takes("\0") && !Kind::Number.takes("9223372036854775808"));
    }

    #[test]
    fn parts_of_what_is_in_memory_make_the_whole() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap_or_default();
        let all: Vec<_> = (0..7)
            .map(|n| (at(n / 2), Uuid::from_u128(n.unsigned_abs().into())))
            .collect();
        for (descending, size) in [(false, 3), (true, 3), (false, 7), (true, 1)] {
            let mut listing = Listing {
                sort: NewestFirst(descending),
                after: None,
                limit: size,
            };
            let mut seen = Vec::new();
            loop {
                let page = part_of(all.clone(), &listing, |item| *item);
                seen.extend(page.items);
                assert!(seen.len() <= all.len(), "an item came twice");
                listing.after = page.end;
                if listing.after.is_none() {
                    break;
                }
            }
            if descending {
                seen.reverse();
            }
            assert_eq!(seen, all);
        }
    }
}
