//! Which trigger answers an HTTP request.
//!
//! A [`RoutePattern`] names a host, a method and a path, each of them optional. A [`RouteTable`] holds the patterns of
//! all jobs, compiled, immutable; the gateway looks every request up in one.
//!
//! # Which route wins
//!
//! Of the routes whose host, method and path all match, the most specific one, in this order:
//!
//! 1. A route that names the host beats one for any host.
//! 2. The longer *fixed beginning* of the path wins: what stands before the first parameter, wildcard or regular
//!    expression operator. A path without any of these is fixed as a whole, so nothing beats an exact path.
//! 3. At the same length: exact, then parameters and wildcards, then regular expressions, then no path at all. Between
//!    two patterns of segments the first segment in which they differ decides: literal, parameter, wildcard.
//! 4. A route that names the method beats one for any method. A `HEAD` request takes `HEAD`, then `GET`, then any.
//!
//! Two routes that these rules can not tell apart have the same host, method and path but for the names of the
//! parameters: that is a conflict, and publishing the second one is refused. (Two regular expressions with the same
//! beginning are ordered by their text; whether they overlap can not be decided.)
//!
//! # What is compared
//!
//! The path as the client sent it, without its query, not decoded: `%2F` is not a slash. Slashes at the end count.
//! A parameter is one non-empty segment; a wildcard is the rest, which may be empty (`/files/*rest` matches `/files/`
//! and not `/files`). A regular expression is searched for in the path. Parameters' values are percent-decoded; one that is
//! no UTF-8 then is left as it was sent. Host names ignore case, port and a dot at the end.

mod host;
mod method;
mod path;
mod pattern;
mod regexes;
mod segments;
mod table;

#[cfg(test)]
mod tests;

pub use host::{Hostname, HostnameError};
pub use method::{MethodError, MethodName};
pub use path::{PathPattern, PatternError, PatternFault, is_reserved};
pub use pattern::RoutePattern;
pub use table::{Lookup, Route, RouteTable};
