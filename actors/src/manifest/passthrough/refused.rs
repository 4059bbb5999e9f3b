//! What of `docker run` is refused, and what to use instead.

use super::super::reader::nearest;
use super::UNDERSTOOD;

/// Names, short forms among them, and what their author is told.
const REFUSED: [(&[&str], &str); 17] = [
    (
        &[
            "privileged",
            "security-opt",
            "pid",
            "ipc",
            "uts",
            "userns",
            "cgroup-parent",
            "cgroupns",
            "device-cgroup-rule",
            "volumes-from",
            "oom-kill-disable",
            "oom-score-adj",
        ],
        "it would open the container to its host; `--cap-add` and `--device` name the one right or device that is needed",
    ),
    (
        &[
            "network",
            "net",
            "network-alias",
            "net-alias",
            "ip",
            "ip6",
            "link",
            "mac-address",
        ],
        "list networks in `runnerDockerArguments.networks`",
    ),
    (
        &["volume", "v", "mount", "volume-driver"],
        "list mounts in `runnerDockerArguments.volumes`",
    ),
    (
        &["label", "l", "label-file"],
        "list labels in `runnerDockerArguments.labels`",
    ),
    (&["memory", "m"], "set `action.memory`"),
    (
        &["memory-swap", "memory-swappiness", "kernel-memory"],
        "a runner has no swap, so that it ends at its limit instead of slowing down the machine; set `action.memory`",
    ),
    (
        &[
            "cpu-period",
            "cpu-quota",
            "cpu-rt-period",
            "cpu-rt-runtime",
            "cpu-count",
            "cpu-percent",
        ],
        "use `--cpus`, or `action.cpus`",
    ),
    (&["cpuset-mems"], "use `--cpuset-cpus`"),
    (&["c"], "write `--cpu-shares`"),
    (&["h"], "write `--hostname`"),
    (
        &["env", "e", "env-file"],
        "set variables of the job (`jobber env set`)",
    ),
    (
        &["publish", "p", "publish-all", "P", "expose"],
        "functions are reached through their triggers alone",
    ),
    (
        &["user", "u"],
        "functions run as the user 10001; `--group-add` adds a group",
    ),
    (
        &["cap-drop", "read-only"],
        "it is so for every runner; leave it out",
    ),
    (
        &["runtime"],
        "the operator chooses it with `RUNNER_CONTAINER_RUNTIME`",
    ),
    (
        &["stop-timeout", "stop-signal", "restart", "rm"],
        "Jobber starts and ends runners itself; `action.runnerTimeout` and `action.runnerMaxAge` say when",
    ),
    (
        &[
            "name",
            "detach",
            "d",
            "interactive",
            "i",
            "tty",
            "t",
            "attach",
            "a",
            "entrypoint",
            "workdir",
            "w",
            "pull",
            "platform",
            "log-driver",
            "log-opt",
            "cidfile",
            "health-cmd",
            "no-healthcheck",
            "isolation",
            "storage-opt",
        ],
        "it is Jobber's own to decide",
    ),
];

/// What the author of a refused argument is told. `name` is without dashes, `written` as it stands.
pub(super) fn message(name: &str, written: &str) -> String {
    if let Some((_, instead)) = REFUSED.iter().find(|(names, _)| names.contains(&name)) {
        return format!("`{written}` is refused: {instead}");
    }
    let names = UNDERSTOOD.map(|understood| understood.name);
    let hint = match nearest(name, &names) {
        Some(meant) => format!("did you mean `--{meant}`?"),
        None => {
            let all = names.map(|name| format!("--{name}"));
            format!("it is none of {}", all.join(", "))
        }
    };
    format!("`{written}` is refused: {hint}")
}
