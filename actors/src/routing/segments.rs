//! A tree of path segments that finds the most specific pattern with parameters or a wildcard.
//!
//! The `matchit` crate would be the usual choice, but it takes either a parameter or a wildcard in one place, and both
//! in one place is what two jobs on one gateway come to (`/:page` of one, `/*rest` of the other).

use std::collections::HashMap;

use super::path::Segment;

/// Index of a route in its table; smaller is more specific.
pub(super) type Rank = u32;

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, usize>,
    parameter: Option<usize>,
    /// The route that ends here.
    end: Option<Rank>,
    /// The route whose wildcard begins here.
    rest: Option<Rank>,
}

/// The patterns of one host and method.
#[derive(Debug)]
pub(super) struct SegmentTree {
    nodes: Vec<Node>,
}

impl Default for SegmentTree {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }
}

impl SegmentTree {
    /// Adds a route. The caller sees to it that no other has the same shape.
    pub(super) fn insert(&mut self, segments: &[Segment], rank: Rank) {
        let mut at = 0;
        for segment in segments {
            let next = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match segment {
                Segment::Literal(text) => *node.literals.entry(text.clone()).or_insert(next),
                Segment::Parameter(_) => *node.parameter.get_or_insert(next),
                Segment::Rest(_) => {
                    node.rest = Some(rank);
                    return;
                }
            };
            if at == next {
                self.nodes.push(Node::default());
            }
        }
        self.nodes[at].end = Some(rank);
    }

    /// The most specific route for a path. Visits each node at most once, so the work is bounded by the number of routes.
    pub(super) fn find(&self, path: &str) -> Option<Rank> {
        if self.nodes.len() == 1 && self.nodes[0].rest.is_none() {
            return None;
        }
        self.find_below(0, Some(path.strip_prefix('/')?))
    }

    /// The depth of the recursion is at most the number of segments that a pattern may have.
    fn find_below(&self, at: usize, remaining: Option<&str>) -> Option<Rank> {
        let node = &self.nodes[at];
        let Some(remaining) = remaining else {
            return node.end;
        };
        let (segment, behind) = match remaining.split_once('/') {
            Some((segment, behind)) => (segment, Some(behind)),
            None => (remaining, None),
        };
        let literal = node
            .literals
            .get(segment)
            .and_then(|next| self.find_below(*next, behind));
        literal
            .or_else(|| {
                let next = node.parameter.filter(|_| !segment.is_empty())?;
                self.find_below(next, behind)
            })
            .or(node.rest)
    }
}
