//! When streams of events end that would go on for ever.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

use super::parameter::{whole_number, wrong};
use super::problem::ApiError;

const MOST_SECONDS: u32 = 86_400;

/// When a stream ends.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Ending {
    /// End after so many seconds, and not when the client leaves.
    #[param(minimum = 1, maximum = 86400)]
    seconds: Option<u32>,
}

impl Ending {
    /// The moment of the end, counted from now; `None` if only the client ends it.
    ///
    /// # Errors
    /// `400` when it is not within a day.
    pub(super) fn at(&self) -> Result<Option<Instant>, ApiError> {
        match self.seconds {
            None => Ok(None),
            Some(seconds) if (1..=MOST_SECONDS).contains(&seconds) => {
                Ok(Some(Instant::now() + Duration::from_secs(seconds.into())))
            }
            Some(seconds) => {
                let allowed = whole_number(Some(1), Some(MOST_SECONDS.into()));
                let message = wrong(&allowed, &seconds.to_string());
                Err(ApiError::bad_parameter("seconds", "out-of-range", message))
            }
        }
    }
}
