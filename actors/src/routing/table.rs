//! All routes, compiled for lookups.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::host::normalise;
use super::path::{Kind, PathPattern, is_reserved};
use super::pattern::RoutePattern;
use super::regexes::RegexIndex;
use super::segments::{Rank, SegmentTree};

/// A pattern and what answers the requests that it is for.
#[derive(Clone, Debug)]
pub struct Route<T> {
    /// Which requests.
    pub pattern: RoutePattern,
    /// Who answers.
    pub target: T,
}

/// What a table says about a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup<'t, T> {
    /// The most specific route for the request.
    Found {
        /// Who answers.
        target: &'t T,
        /// The parameters by name, decoded.
        params: BTreeMap<String, String>,
    },
    /// No route has this host and path, whatever the method.
    NoRoute,
    /// There are routes for this host and path, but none with this method.
    MethodNotAllowed {
        /// The methods they have, sorted; `HEAD` is among them where `GET` is.
        allow: Vec<&'t str>,
    },
}

/// An immutable set of routes in which no two conflict.
#[derive(Debug)]
pub struct RouteTable<T> {
    /// The most specific one first: the index is the rank.
    routes: Vec<Route<T>>,
    keys: HashMap<String, Rank>,
    hosts: HashMap<Box<str>, HostRoutes>,
    any_host: HostRoutes,
}

#[derive(Debug, Default)]
struct HostRoutes {
    methods: HashMap<Box<str>, PathIndex>,
    any_method: PathIndex,
}

#[derive(Debug, Default)]
struct PathIndex {
    exact: HashMap<Box<str>, Rank>,
    segments: SegmentTree,
    regexes: RegexIndex,
    any_path: Option<Rank>,
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self::build([]).0
    }
}

impl<T> RouteTable<T> {
    /// Compiles a table. Of routes that conflict the one that comes first is taken; the others are given back.
    #[must_use]
    pub fn build(routes: impl IntoIterator<Item = Route<T>>) -> (Self, Vec<Route<T>>) {
        let mut taken = HashMap::new();
        let mut kept = Vec::new();
        let mut refused = Vec::new();
        for route in routes {
            match taken.entry(route.pattern.key()) {
                std::collections::hash_map::Entry::Occupied(_) => refused.push(route),
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert(0);
                    kept.push(route);
                }
            }
        }
        kept.sort_by(|a, b| a.pattern.specificity().cmp(&b.pattern.specificity()));
        let mut table = Self {
            routes: kept,
            keys: taken,
            hosts: HashMap::new(),
            any_host: HostRoutes::default(),
        };
        for (rank, route) in (0..).zip(&table.routes) {
            table.keys.insert(route.pattern.key(), rank);
            let host = match &route.pattern.host {
                Some(name) => table.hosts.entry(name.as_str().into()).or_default(),
                None => &mut table.any_host,
            };
            let index = match &route.pattern.method {
                Some(method) => host.methods.entry(method.as_str().into()).or_default(),
                None => &mut host.any_method,
            };
            index.insert(route.pattern.path.as_ref(), rank);
        }
        (table, refused)
    }

    /// The route for a request. `host` is the request's authority (a port is ignored), `path` is as it was sent, without
    /// the query.
    pub fn lookup(&self, host: Option<&str>, method: &str, path: &str) -> Lookup<'_, T> {
        if is_reserved(path) {
            return Lookup::NoRoute;
        }
        let named = match host {
            Some(host) if !self.hosts.is_empty() => self.hosts.get(&*normalise(host)),
            _ => None,
        };
        let candidates = [named, Some(&self.any_host)];
        for host in candidates.iter().flatten() {
            if let Some(rank) = host.find(method, path) {
                let route = &self.routes[rank as usize];
                let params = route
                    .pattern
                    .path
                    .as_ref()
                    .map(|pattern| pattern.parameters(path));
                return Lookup::Found {
                    target: &route.target,
                    params: params.unwrap_or_default(),
                };
            }
        }
        let allow: BTreeSet<&str> = candidates
            .iter()
            .flatten()
            .flat_map(|host| host.methods_for(path))
            .collect();
        if allow.is_empty() {
            Lookup::NoRoute
        } else {
            Lookup::MethodNotAllowed {
                allow: allow.into_iter().collect(),
            }
        }
    }

    /// The route of this table that a new one with this pattern would conflict with.
    #[must_use]
    pub fn conflict(&self, pattern: &RoutePattern) -> Option<&Route<T>> {
        let rank = self.keys.get(&pattern.key())?;
        self.routes.get(*rank as usize)
    }

    /// All routes, the most specific one first.
    pub fn iter(&self) -> impl Iterator<Item = &Route<T>> {
        self.routes.iter()
    }

    /// Number of routes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there is no route at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}

impl HostRoutes {
    /// A smaller rank is more specific, also across the indices: they number the routes of one sorted table.
    fn find(&self, method: &str, path: &str) -> Option<Rank> {
        let in_its_place = if method == "HEAD" {
            self.methods.get("GET")
        } else {
            None
        };
        [self.methods.get(method), in_its_place, Some(&self.any_method)]
            .into_iter()
            .flatten()
            .filter_map(|index| index.find(path))
            .min()
    }

    fn methods_for(&self, path: &str) -> Vec<&str> {
        let mut methods = Vec::new();
        for (method, index) in &self.methods {
            if index.find(path).is_some() {
                methods.push(&**method);
                if &**method == "GET" {
                    methods.push("HEAD");
                }
            }
        }
        methods
    }
}

impl PathIndex {
    fn insert(&mut self, path: Option<&PathPattern>, rank: Rank) {
        let Some(path) = path else {
            self.any_path = Some(rank);
            return;
        };
        match &path.kind {
            Kind::Exact => {
                self.exact.insert(path.fixed_beginning().into(), rank);
            }
            Kind::Segments(segments) => self.segments.insert(segments, rank),
            Kind::Regex(regex) => self.regexes.push(path.fixed_beginning(), regex, rank),
        }
    }

    fn find(&self, path: &str) -> Option<Rank> {
        // Nothing beats an exact path.
        if let Some(rank) = self.exact.get(path) {
            return Some(*rank);
        }
        [self.segments.find(path), self.regexes.find(path), self.any_path]
            .into_iter()
            .flatten()
            .min()
    }
}
