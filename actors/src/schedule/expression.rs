//! A cron expression after its text has been understood.

use std::fmt;
use std::panic::catch_unwind;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::fault::{CronError, CronFault};
use super::fields::Fields;
use super::parser::parse;

/// A valid cron expression that has at least one instant.
#[derive(Clone, PartialEq, Eq)]
pub struct CronExpression {
    text: String,
    fields: Fields,
}

impl CronExpression {
    /// Reads an expression of five fields (minute, hour, day of month, month, day of week), of six (second first), or an alias
    /// such as `@daily`.
    ///
    /// # Errors
    /// [`CronError`] with the position of the fault; also for an expression that has no instant (30 February).
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let fields = parse(text)?;
        let normalised = fields.normalised();
        // saffron is known to panic on some inputs. Normalised text avoids the known ones.
        let fires = catch_unwind(|| normalised.parse::<saffron::Cron>().map(|cron| cron.any()));
        match fires {
            Ok(Ok(true)) => Ok(Self {
                text: text.to_owned(),
                fields,
            }),
            Ok(Ok(false) | Err(_)) | Err(_) => Err(CronError {
                position: 0,
                fault: CronFault::NotComputable,
            }),
        }
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the fields mean.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The expression without seconds in its plainest form: five fields with rising ranges, months as numbers, weekdays by
    /// name, `*` for what is not restricted.
    #[must_use]
    pub fn normalised(&self) -> String {
        self.fields.normalised()
    }
}

impl FromStr for CronExpression {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CronExpression({:?})", self.text)
    }
}

impl Serialize for CronExpression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
