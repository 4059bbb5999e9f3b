//! `tracestate`: what vendors say of a trace. Nothing here understands it; it is passed on if it keeps to the form.

use std::sync::Arc;

use serde::Serialize;

/// Most members of the list.
const MOST_MEMBERS: usize = 32;
/// Most bytes that are passed on. The standard asks for at least as many.
const MOST_BYTES: usize = 512;
/// Members that are longer are the first to go where there are too many bytes.
const LONG_MEMBER: usize = 128;

/// The members of a `tracestate`, parted by commas. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TraceState(Arc<str>);

impl TraceState {
    /// Reads the values of all `tracestate` fields, which are one list. `None` if it has no members, or anything of it is
    /// wrong. Of a list that is too long the long members are left out, then the last ones.
    #[must_use]
    pub fn parse<'v>(values: impl IntoIterator<Item = &'v str>) -> Option<Self> {
        let mut members: Vec<&str> = Vec::new();
        for member in values.into_iter().flat_map(|value| value.split(',')) {
            let member = member.trim_matches([' ', '\t']);
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            let again = members.iter().any(|known| key_of(known) == key);
            if again || !is_key(key) || !is_value(value) || members.len() == MOST_MEMBERS {
                return None;
            }
            members.push(member);
        }
        if length(&members) > MOST_BYTES {
            members.retain(|member| member.len() <= LONG_MEMBER);
        }
        while length(&members) > MOST_BYTES {
            members.pop();
        }
        (!members.is_empty()).then(|| Self(members.join(",").into()))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What stands before the first `=`.
fn key_of(member: &str) -> &str {
    member.split_once('=').map_or(member, |(key, _)| key)
}

fn length(members: &[&str]) -> usize {
    let commas = members.len().saturating_sub(1);
    members.iter().map(|member| member.len()).sum::<usize>() + commas
}

/// `vendor`, or `tenant@vendor`.
fn is_key(key: &str) -> bool {
    match key.split_once('@') {
        None => key.len() <= 256 && begins_with(key, false) && is_name(key),
        Some((tenant, vendor)) => {
            tenant.len() <= 241
                && vendor.len() <= 14
                && begins_with(tenant, true)
                && begins_with(vendor, false)
                && is_name(tenant)
                && is_name(vendor)
        }
    }
}

fn begins_with(name: &str, digit: bool) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_lowercase() || (digit && byte.is_ascii_digit()))
}

fn is_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte))
}

/// 1 to 256 characters from space to `~` but `,` and `=`. That it does not end with a space has been seen to.
fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=')
}
