//! What a package asks of Docker, and does not get here.

use std::collections::BTreeSet;

use jobber_actors::manifest::DockerArguments;

use super::answer::Warning;
use crate::engine::docker::DockerArgumentKind;

/// Which of the packages' wishes in `runnerDockerArguments` are granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerGrants {
    /// Those of these kinds.
    Kinds(BTreeSet<DockerArgumentKind>),
    /// None: runners are no containers.
    NoContainers,
}

impl DockerGrants {
    /// A warning for each kind of argument that is there and will be ignored.
    pub(super) fn warnings(&self, arguments: &DockerArguments) -> Vec<Warning> {
        let asked = DockerArgumentKind::ALL
            .into_iter()
            .filter(|kind| kind.is_asked_in(arguments));
        asked.filter_map(|kind| self.warning(kind)).collect()
    }

    fn warning(&self, kind: DockerArgumentKind) -> Option<Warning> {
        let (code, message) = match self {
            Self::Kinds(kinds) if kinds.contains(&kind) => return None,
            Self::Kinds(_) => (
                "not-allowed",
                format!(
                    "is ignored: the operator does not allow `{}` (RUNNER_ALLOW_DOCKER_ARGUMENT_TYPES)",
                    kind.name()
                ),
            ),
            Self::NoContainers => (
                "no-effect",
                "is ignored: functions run as processes here, not in containers (RUNNER_ENGINE)".to_owned(),
            ),
        };
        Some(Warning {
            pointer: format!("/action/runnerDockerArguments/{}", kind.name()),
            code: code.to_owned(),
            message,
        })
    }
}

#[cfg(test)]
mod tests {
    use jobber_actors::manifest::{ByteSize, ContainerLabel};

    use super::*;

    #[test]
    fn a_warning_tells_of_each_kind_that_is_ignored() {
        let arguments = DockerArguments {
            networks: vec!["backend".to_owned()],
            labels: vec![ContainerLabel {
                key: "team".to_owned(),
                value: "orders".to_owned(),
            }],
            memory_limit: Some(ByteSize::from_mebibytes(64)),
            ..DockerArguments::default()
        };
        let told = |grants: &DockerGrants| {
            let warnings = grants.warnings(&arguments).into_iter();
            warnings
                .map(|warning| {
                    (
                        warning.code,
                        warning.pointer.rsplit('/').next().unwrap_or_default().to_owned(),
                    )
                })
                .collect::<Vec<_>>()
        };
        let all = DockerGrants::Kinds(BTreeSet::from(DockerArgumentKind::ALL));
        assert_eq!(told(&all), []);
        let labels = DockerGrants::Kinds(BTreeSet::from([DockerArgumentKind::Labels]));
        let ignored = |code: &str, name: &str| (code.to_owned(), name.to_owned());
        assert_eq!(
            told(&labels),
            [
                ignored("not-allowed", "networks"),
                ignored("not-allowed", "memoryLimit")
            ]
        );
        assert_eq!(told(&DockerGrants::NoContainers).len(), 3);
    }
}
