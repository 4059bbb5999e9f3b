//! The list as packages write it: `["--cpus=0.5"]` or `["--cpus", "0.5"]`.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::super::docker::text;
use super::super::problem::ProblemCode;
use super::super::reader::Node;
use super::refused;
use super::{PassthroughArgument, Understood};

type Elements<'a> = Peekable<IntoIter<Node<'a>>>;

/// Reads all arguments of a list. What is wrong is noted at the element where it stands.
pub(in super::super) fn read(elements: Vec<Node<'_>>) -> Vec<PassthroughArgument> {
    let mut elements = elements.into_iter().peekable();
    let mut arguments: Vec<PassthroughArgument> = Vec::new();
    while let Some(node) = elements.next() {
        let Some(argument) = one(&node, &mut elements) else {
            continue;
        };
        let repeats = Understood::find(argument.name()).is_some_and(|understood| understood.repeats);
        if !repeats && arguments.iter().any(|other| other.name() == argument.name()) {
            let message = format!("`--{}` is given twice", argument.name());
            node.error(ProblemCode::Duplicate, message);
            continue;
        }
        arguments.push(argument);
    }
    arguments
}

/// Reads the argument that begins at `node`, and takes the element with its value if that is one of its own.
fn one<'a>(node: &Node<'a>, rest: &mut Elements<'a>) -> Option<PassthroughArgument> {
    let written = text(node)?;
    let Some(dashed) = written.strip_prefix('-') else {
        let message = format!("`{written}` is no argument of `docker run`: those begin with `--`");
        node.error(ProblemCode::InvalidValue, message);
        return None;
    };
    let (name, inline) = match dashed.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (dashed, None),
    };
    if let Some((name, value)) = name.split_once(char::is_whitespace) {
        let message = format!(
            "`-{name}` and its value are one text: write `-{name}={}`, or two elements",
            value.trim()
        );
        node.error(ProblemCode::InvalidValue, message);
        return None;
    }
    let Some(understood) = name.strip_prefix('-').and_then(Understood::find) else {
        let plain = name.strip_prefix('-').unwrap_or(name);
        node.error(
            ProblemCode::InvalidValue,
            refused::message(plain, &format!("-{name}")),
        );
        // Whatever is meant for it is not looked at, either.
        if inline.is_none() {
            rest.next_if(is_value);
        }
        return None;
    };
    let (place, value) = match inline {
        Some(value) => (None, value),
        None if understood.value.is_none() => (None, ""),
        None => {
            let Some(next) = rest.next_if(is_value) else {
                let message = format!("`-{name}` needs a value: `{}`", understood.usage());
                node.error(ProblemCode::Missing, message);
                return None;
            };
            let value = next.value().as_str().unwrap_or_default();
            (Some(next), value)
        }
    };
    match (understood.read)(value) {
        Ok(argument) => Some(argument),
        Err(fault) => {
            let at = place.as_ref().unwrap_or(node);
            at.error(ProblemCode::InvalidValue, format!("`-{name}`: {fault}"));
            None
        }
    }
}

/// Whether an element may be the value of the argument before it.
fn is_value(node: &Node<'_>) -> bool {
    node.value().as_str().is_some_and(|text| !text.starts_with('-'))
}
