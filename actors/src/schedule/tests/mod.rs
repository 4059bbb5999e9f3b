//! What expressions mean.

mod model;
mod parsing;

use super::{CronExpression, Values};

fn cron(text: &str) -> CronExpression {
    CronExpression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn set(values: impl IntoIterator<Item = u8>) -> Values {
    values.into_iter().collect()
}
