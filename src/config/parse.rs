//! From an option's text to its value. Each error completes the sentence "`text` …".

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use jobber_actors::manifest::ByteSize;

/// How the server writes its own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object on each line.
    Json,
}

/// The units of durations in milliseconds, the longer names first.
const DURATION_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        "is no duration; write a number with a unit, such as `500ms`, `30s`, `15m`, `1h` or `7d`".to_owned()
    };
    let (unit, milliseconds) = DURATION_UNITS
        .into_iter()
        .find(|(unit, _)| text.ends_with(unit))
        .ok_or_else(wrong)?;
    let number: u64 = text[..text.len() - unit.len()]
        .trim_end()
        .parse()
        .map_err(|_| wrong())?;
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .ok_or_else(wrong)
}

pub(super) fn bytes(text: &str) -> Result<ByteSize, String> {
    ByteSize::parse(text)
        .map_err(|_| "is no size; write a whole number with a unit, such as `64k`, `512m` or `1g`".to_owned())
}

/// The address of a web server, perhaps with a path; without a slash at its end.
pub(super) fn web_address(text: &str) -> Result<String, String> {
    let wrong = || "is no address such as https://functions.example.com".to_owned();
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .ok_or_else(wrong)?;
    let host = rest.split('/').next().unwrap_or_default();
    // Who reads it must not read a password in it.
    let is_plain = rest
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"@?#\"'<>".contains(&byte));
    if host.is_empty() || !is_plain {
        return Err(wrong());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// A number that fits its type.
pub(super) fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| "is no whole number that fits here".to_owned())
}

/// A number of at least one.
pub(super) fn positive<T: FromStr + Default + PartialEq>(text: &str) -> Result<T, String> {
    match number(text) {
        Ok(value) if value != T::default() => Ok(value),
        _ => Err("is no whole number from 1 up that fits here".to_owned()),
    }
}

pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("is neither `true` nor `false`".to_owned()),
    }
}

/// Addresses that have a beginning in common.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let one = |_| text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(one)
        .map_err(|_| format!("has `{text}`, which is no network such as 10.0.0.0/8"))
}

/// Anything but nothing.
pub(super) fn non_empty(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("must not be empty".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Thousandths of a processor.
pub(super) fn milli_cpus(text: &str) -> Result<u32, String> {
    let wrong = || "is no number of processors, such as `0.5` or `2`".to_owned();
    let cpus: f64 = text.parse().map_err(|_| wrong())?;
    if (0.01..=1024.0).contains(&cpus) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 10 and 1,024,000"
        )]
        Ok((cpus * 1000.0).round() as u32)
    } else {
        Err(wrong())
    }
}

/// Elements separated by commas; spaces around them and empty ones do not count.
pub(super) fn list<T, C: FromIterator<T>>(
    text: &str,
    element: impl Fn(&str) -> Result<T, String>,
) -> Result<C, String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(element)
        .collect()
}

/// One of some words.
pub(super) fn choice<T: Copy>(choices: &[(&str, T)]) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| {
        choices
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                let names: Vec<_> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
                format!("is none of {}", names.join(", "))
            })
    }
}

/// A name for labels and container names.
pub(super) fn instance_name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && text.len() <= 63 && text.chars().all(good) {
        Ok(text.to_owned())
    } else {
        Err("is no name: 1 to 63 of A-Z a-z 0-9 . _ -, the first a letter or digit".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for wrong in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn processors_may_be_fractions() {
        assert_eq!(milli_cpus("0.5"), Ok(500));
        assert_eq!(milli_cpus("2"), Ok(2000));
        for wrong in ["0", "-1", "NaN", "inf", "many"] {
            assert!(milli_cpus(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_forgive_spaces() {
        assert_eq!(list::<_, Vec<u8>>(" 1, 2,,3 ", number), Ok(vec![1, 2, 3]));
        assert!(list::<u8, Vec<u8>>("1,x", number).is_err());
    }
}
