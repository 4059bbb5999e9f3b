//! `package.json` as Jobber understands it: read once, checked completely, typed from then on.
//!
//! [`Manifest::parse`] reports every fault of a package at once, each with a JSON pointer; what it gives back needs no
//! further checks. `docs/reference/manifest.md` describes the format to its users.
//!
//! The types serialise into the same format again, with all defaults filled in and passwords masked.

mod action;
mod broker;
mod docker;
mod links;
mod mqtt;
mod names;
mod package;
mod passthrough;
mod problem;
mod quantities;
mod reader;
mod runtime;
mod schema;
mod trigger;

#[cfg(test)]
mod tests;

pub use action::{ActionConfig, Capture, QueueConfig, RetryPolicy, RunnerMode};
pub use broker::{MqttConnection, MqttProtocol, MqttVersion, Password, Setting};
pub use docker::{ContainerLabel, DockerArguments, MountMode, VolumeMount};
pub use links::Link;
pub use mqtt::{MqttTrigger, QualityOfService};
pub use names::{JobName, NameError, RelativePath, TriggerName, VariableName, VersionName};
pub use package::{CheckedManifest, Manifest};
pub use passthrough::{
    Capability, CpuSet, CpuShares, DeviceAccess, DnsOption, GpuRequest, GroupName, HostAddress, HostAlias,
    HostName, PassthroughArgument, Sysctl, TmpfsMount, UNDERSTOOD, Ulimit, Understood,
};
pub use problem::{ManifestErrors, ManifestProblem, ProblemCode, Severity};
pub use quantities::{ByteSize, ByteSizeError, Cpus};
pub use runtime::{Engines, Runtime, RuntimeError};
pub use schema::json_schema;
pub use trigger::{CatchUp, HttpTrigger, Overlap, ScheduleTrigger, TriggerConfig, TriggerKey, TriggerKind};
