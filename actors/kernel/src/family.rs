//! An actor's children, and what it has yet to be told about them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::exit::ChildExit;
use crate::node::{Node, locked};
use crate::path::ActorId;
use crate::tree::TreeNode;

/// How many children with an unclean end a parent remembers for the tree page.
const REMEMBERED: usize = 8;

/// See the module. Usable on any thread.
#[derive(Default)]
pub(crate) struct Family(Mutex<Members>);

#[derive(Default)]
struct Members {
    /// In the order in which they were started.
    children: Vec<Arc<Node>>,
    /// Ends that the actor has not been told yet; never more than it had children.
    exits: VecDeque<ChildExit>,
    /// As they were at their end. Their records would hold on to the parent, and it to them.
    remembered: VecDeque<TreeNode>,
    /// Whether children may be started.
    open: bool,
}

impl Family {
    /// Lets children be started. There are none and no ends to tell: an earlier life has seen to its own.
    pub(crate) fn open(&self) {
        locked(&self.0).open = true;
    }

    pub(crate) fn close(&self) {
        locked(&self.0).open = false;
    }

    /// Takes a child in, unless no children may be started.
    pub(crate) fn adopt(&self, child: &Arc<Node>) -> bool {
        let mut members = locked(&self.0);
        if members.open {
            members.children.push(Arc::clone(child));
        }
        members.open
    }

    /// Lets go of a child that has ended. With `told` the end waits for [`pop_exit`](Self::pop_exit).
    pub(crate) fn bury(&self, child: ActorId, exit: &ChildExit, told: bool) {
        let mut members = locked(&self.0);
        let Some(place) = members.children.iter().position(|one| one.id == child) else {
            return; // It was never taken in.
        };
        let child = members.children.remove(place);
        if !exit.reason.is_clean() {
            if members.remembered.len() == REMEMBERED {
                members.remembered.pop_front();
            }
            members.remembered.push_back(TreeNode::alone(&child));
        }
        if told {
            members.exits.push_back(exit.clone());
        }
    }

    /// The next end to tell, and whether there are more.
    pub(crate) fn pop_exit(&self) -> (Option<ChildExit>, bool) {
        let mut members = locked(&self.0);
        (members.exits.pop_front(), !members.exits.is_empty())
    }

    pub(crate) fn children(&self) -> Vec<Arc<Node>> {
        locked(&self.0).children.clone()
    }

    pub(crate) fn remembered(&self) -> Vec<TreeNode> {
        locked(&self.0).remembered.iter().cloned().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        locked(&self.0).children.is_empty()
    }
}
