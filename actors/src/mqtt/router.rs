//! Which filters a topic matches: a tree of their levels, so that the cost does not grow with the number of filters.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::topic::TopicFilter;

/// Values by topic filter.
#[derive(Debug)]
pub struct TopicRouter<T> {
    root: Node<T>,
    filters: usize,
}

#[derive(Debug)]
struct Node<T> {
    /// Filters that end here.
    here: Vec<T>,
    /// Filters that end here with `#`.
    below: Vec<T>,
    levels: HashMap<Box<str>, Node<T>, RandomState>,
    /// `+`.
    any: Option<Box<Node<T>>>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            here: Vec::new(),
            below: Vec::new(),
            levels: HashMap::default(),
            any: None,
        }
    }
}

impl<T> Default for TopicRouter<T> {
    fn default() -> Self {
        Self {
            root: Node::default(),
            filters: 0,
        }
    }
}

impl<T: Copy> TopicRouter<T> {
    /// Adds a filter. The group of a shared subscription plays no part.
    pub fn insert(&mut self, filter: &TopicFilter, value: T) {
        self.filters += 1;
        let mut node = &mut self.root;
        for level in filter.filter().split('/') {
            node = match level {
                "#" => {
                    node.below.push(value);
                    return;
                }
                "+" => node.any.get_or_insert_with(Box::default),
                level => node.levels.entry(level.into()).or_default(),
            };
        }
        node.here.push(value);
    }

    /// The values of all filters that match this topic; a value is there once for each of its filters.
    #[must_use]
    pub fn matches(&self, topic: &str) -> Vec<T> {
        let mut found = Vec::new();
        self.find(topic, &mut found);
        found
    }

    /// Adds the values of all filters that match this topic to `found`.
    pub(super) fn find(&self, topic: &str, found: &mut Vec<T>) {
        // What begins with `$` is the broker's own, and a leading wildcard does not mean it.
        let wildcards = !topic.starts_with('$');
        collect(&self.root, Some(topic), wildcards, found);
    }

    /// How many filters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.filters
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filters == 0
    }
}

fn collect<T: Copy>(node: &Node<T>, topic: Option<&str>, wildcards: bool, found: &mut Vec<T>) {
    if wildcards {
        // `a/#` also matches `a`.
        found.extend_from_slice(&node.below);
    }
    let Some(topic) = topic else {
        found.extend_from_slice(&node.here);
        return;
    };
    let (level, rest) = match topic.split_once('/') {
        Some((level, rest)) => (level, Some(rest)),
        None => (topic, None),
    };
    if let Some(next) = node.levels.get(level) {
        collect(next, rest, true, found);
    }
    if wildcards && let Some(next) = &node.any {
        collect(next, rest, true, found);
    }
}

/// Whether `wide` matches every topic that `narrow` matches.
#[must_use]
pub(super) fn covers(wide: &TopicFilter, narrow: &TopicFilter) -> bool {
    if wide.filter().starts_with(['+', '#']) && narrow.filter().starts_with('$') {
        return false;
    }
    let mut narrow = narrow.filter().split('/');
    for level in wide.filter().split('/') {
        if level == "#" {
            return true;
        }
        match narrow.next() {
            Some("#") | None => return false,
            Some("+") if level != "+" => return false,
            Some(other) if level != "+" && level != other => return false,
            Some(_) => {}
        }
    }
    narrow.next().is_none()
}
