//! What can be wrong with a cron expression.

/// Most bytes of an expression. A list of every minute takes 170.
pub(super) const MAX_BYTES: usize = 1_024;

/// Why a text is no cron expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} (position {position})")]
pub struct CronError {
    /// Characters before the fault.
    pub position: usize,
    /// What is wrong.
    pub fault: CronFault,
}

/// What can be wrong with a cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronFault {
    /// Other than five or six fields.
    #[error("a cron expression has 5 fields (minute hour day month weekday) or 6 (second first), not {0}")]
    FieldCount(usize),
    /// More than 1,024 bytes.
    #[error("a cron expression has at most {MAX_BYTES} bytes")]
    TooLong,
    /// `@reboot` and unknown ones.
    #[error(
        "`{0}` is not an alias; there are @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly"
    )]
    Alias(String),
    /// An item of a list that is no value, range or step.
    #[error("`{text}` is not a value, range or step for the {field}")]
    Item {
        /// What stands there.
        text: String,
        /// The field's name.
        field: &'static str,
    },
    /// Nothing where a value must be, as between two commas.
    #[error("a value for the {field} is missing")]
    Missing {
        /// The field's name.
        field: &'static str,
    },
    /// A number outside of the field's own.
    #[error("the {field} is between {first} and {last}")]
    Range {
        /// The field's name.
        field: &'static str,
        /// The field's first value.
        first: u8,
        /// The field's last value.
        last: u8,
    },
    /// A step of 0, or one that is larger than the field.
    #[error("the step for the {field} is between 1 and {last}")]
    Step {
        /// The field's name.
        field: &'static str,
        /// The largest step that makes sense.
        last: u8,
    },
    /// `L`, `W`, `#` within a list.
    #[error("`L`, `W` and `#` must stand alone in their field")]
    NotAlone,
    /// A valid expression for no instant at all.
    #[error("this never happens: no such month has such a day")]
    Never,
    /// Valid, but the part that computes instants refuses it or means something else by it.
    #[error("Jobber can not compute the instants of this expression")]
    NotComputable,
}
