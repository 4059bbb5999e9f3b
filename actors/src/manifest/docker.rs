//! What a package asks of Docker for its containers: `action.runnerDockerArguments`.

use schemars::JsonSchema;
use serde::Serialize;

use super::passthrough::{self, PassthroughArgument};
use super::problem::ProblemCode;
use super::quantities::ByteSize;
use super::reader::{Fields, Node};

/// Most elements of each list.
const MAX_ELEMENTS: usize = 64;
/// Most bytes of each text.
const MAX_TEXT: usize = 4_096;
/// The least memory that Docker accepts as a limit.
const LEAST_MEMORY: ByteSize = ByteSize::from_mebibytes(6);

/// Wishes for a runner's container. Each kind is granted only if the operator allows it in
/// `RUNNER_ALLOW_DOCKER_ARGUMENT_TYPES`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DockerArguments {
    /// Docker networks to join besides the runners' own.
    pub networks: Vec<String>,
    /// Volumes and folders of the host to mount.
    pub volumes: Vec<VolumeMount>,
    /// Labels to put on the container.
    pub labels: Vec<ContainerLabel>,
    /// The container's memory, such as `512m` (units b, k, m, g); at least `6m`. `action.memory` is the plainer way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = r"^\d+[bkmg]$"))]
    pub memory_limit: Option<ByteSize>,
    /// Arguments of `docker run`, as `--name=value` or as two elements. Those that are understood are in the reference; all
    /// others are refused.
    pub direct_passthrough_arguments: Vec<PassthroughArgument>,
}

impl DockerArguments {
    /// Whether the package asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn read(node: Node<'_>) -> Option<Self> {
        let mut fields = node.fields()?;
        let arguments = Self {
            networks: list(&mut fields, "networks", |node| plain_name(&node)),
            volumes: list(&mut fields, "volumes", VolumeMount::read),
            labels: list(&mut fields, "labels", ContainerLabel::read),
            memory_limit: fields.take("memoryLimit").and_then(|node| memory(&node)),
            direct_passthrough_arguments: passthrough::read(elements(
                &mut fields,
                "directPassthroughArguments",
            )),
        };
        fields.warn_of_unknown();
        Some(arguments)
    }
}

/// Something mounted into the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeMount {
    /// A volume's name, or an absolute path of the host.
    pub source: String,
    /// An absolute path in the container.
    pub target: String,
    /// Whether the function may write to it.
    #[serde(default)]
    pub mode: MountMode,
}

/// Whether a mount may be written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MountMode {
    /// Read and write.
    #[default]
    Rw,
    /// Read only.
    Ro,
}

impl MountMode {
    /// As Docker writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rw => "rw",
            Self::Ro => "ro",
        }
    }
}

impl VolumeMount {
    fn read(node: Node<'_>) -> Option<Self> {
        let mut fields = node.fields()?;
        let source = fields.require("source").and_then(|node| {
            let source = mount_text(&node)?;
            let by_path = source.starts_with('/');
            (by_path || plain_name(&node).is_some()).then_some(source)
        });
        let target = fields.require("target").and_then(|node| {
            let target = mount_text(&node)?;
            if !target.starts_with('/') {
                node.error(
                    ProblemCode::InvalidValue,
                    "must be an absolute path in the container",
                );
                return None;
            }
            Some(target)
        });
        let mode = fields
            .take("mode")
            .map(|node| node.choice(&[("rw", MountMode::Rw), ("ro", MountMode::Ro)]));
        fields.warn_of_unknown();
        Some(Self {
            source: source?,
            target: target?,
            mode: mode.unwrap_or(Some(MountMode::Rw))?,
        })
    }
}

/// A label of the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainerLabel {
    /// Its key: letters, digits, `.`, `_`, `-`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub key: String,
    /// Its value: letters, digits, `.`, `_`, `-`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub value: String,
}

impl ContainerLabel {
    fn read(node: Node<'_>) -> Option<Self> {
        let mut fields = node.fields()?;
        let key = fields.require("key").and_then(|node| {
            let key = plain_name(&node)?;
            if key == "jobber" || key.starts_with("jobber.") {
                node.error(
                    ProblemCode::InvalidValue,
                    "labels that begin with `jobber.` belong to Jobber",
                );
                return None;
            }
            Some(key)
        });
        let value = fields.require("value").and_then(|node| plain_name(&node));
        fields.warn_of_unknown();
        Some(Self {
            key: key?,
            value: value?,
        })
    }
}

/// A limit for memory that Docker accepts.
pub(super) fn memory(node: &Node<'_>) -> Option<ByteSize> {
    let size = node.parse(ByteSize::parse)?;
    if size < LEAST_MEMORY {
        node.error(
            ProblemCode::OutOfRange,
            format!("must be at least `{LEAST_MEMORY}`"),
        );
        return None;
    }
    Some(size)
}

fn list<T>(fields: &mut Fields<'_>, name: &'static str, read: impl Fn(Node<'_>) -> Option<T>) -> Vec<T> {
    elements(fields, name).into_iter().filter_map(read).collect()
}

fn elements<'a>(fields: &mut Fields<'a>, name: &'static str) -> Vec<Node<'a>> {
    fields
        .take(name)
        .map(|node| node.elements(MAX_ELEMENTS))
        .unwrap_or_default()
}

pub(super) fn text(node: &Node<'_>) -> Option<String> {
    let text = node.string()?;
    if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(char::is_control) {
        node.error(
            ProblemCode::InvalidValue,
            format!("must be a text of 1 to {MAX_TEXT} bytes without control characters"),
        );
        return None;
    }
    Some(text.to_owned())
}

/// A colon would begin the next part of Docker's own notation for mounts.
fn mount_text(node: &Node<'_>) -> Option<String> {
    let text = text(node)?;
    if text.contains(':') {
        node.error(ProblemCode::InvalidValue, "must not contain `:`");
        return None;
    }
    Some(text)
}

fn plain_name(node: &Node<'_>) -> Option<String> {
    let text = text(node)?;
    if !text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    {
        node.error(
            ProblemCode::InvalidValue,
            "may contain letters, digits, `.`, `_` and `-` only",
        );
        return None;
    }
    Some(text)
}
