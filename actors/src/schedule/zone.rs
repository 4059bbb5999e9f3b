//! IANA time zones by name.

use chrono_tz::{TZ_VARIANTS, Tz};

/// The name is not in the IANA database that Jobber was built with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not an IANA time zone{}", .nearest.map(|zone| format!("; did you mean `{zone}`?")).unwrap_or_default())]
pub struct ZoneError {
    /// What was asked for.
    pub name: String,
    /// The zone with the most similar name, if one is similar at all.
    pub nearest: Option<&'static str>,
}

/// Finds a zone, such as `Europe/Berlin` or `UTC`.
///
/// # Errors
/// [`ZoneError`] with the name that was perhaps meant.
pub fn parse_zone(name: &str) -> Result<Tz, ZoneError> {
    name.parse().map_err(|_| {
        // The comparison's cost grows with the length of both names, and no zone's name is longer than this.
        let nearest = (name.len() <= 40).then(|| {
            let lower = name.to_ascii_lowercase();
            TZ_VARIANTS
                .iter()
                .map(|zone| {
                    (
                        strsim::jaro_winkler(&lower, &zone.name().to_ascii_lowercase()),
                        zone.name(),
                    )
                })
                .max_by(|a, b| a.0.total_cmp(&b.0))
        });
        let nearest = nearest
            .flatten()
            .filter(|(similarity, _)| *similarity > 0.85)
            .map(|(_, zone)| zone);
        ZoneError {
            name: name.to_owned(),
            nearest,
        }
    })
}
