//! Which version serves next, and which actions go: a pure decision.

use crate::domain::VersionId;

/// How far the action of a version has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionPhase {
    /// No runner has imported it yet.
    Warming,
    /// A runner imported it.
    Ready,
    /// The last try failed; it tries again by itself.
    Failed,
    /// It finishes what it has, then ends.
    Retired,
}

/// One action as the decision sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedAction {
    /// Whose.
    pub version: VersionId,
    /// How far.
    pub phase: ActionPhase,
    /// Whether somebody made it ready and has not decided yet whether it shall serve.
    pub prepared: bool,
}

/// The whole picture.
#[derive(Clone, Debug)]
pub struct PlanView<'a> {
    /// The version that should serve; `None` for none (never published, or disabled).
    pub wanted: Option<VersionId>,
    /// Whether the wanted version is to serve although it is known that it can not be imported.
    pub forced: bool,
    /// The version whose routes are published.
    pub serving: Option<VersionId>,
    /// All actions that have not ended.
    pub actions: &'a [PlannedAction],
}

/// What to do, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Start an action for this version.
    pub start: Option<VersionId>,
    /// Publish this version's routes instead of those that are published.
    pub serve: Option<VersionId>,
    /// Withdraw all routes.
    pub withdraw: bool,
    /// Let these finish and end.
    pub retire: Vec<VersionId>,
}

/// Decides. A version that serves goes on until its successor is ready; without one that serves nothing is lost by
/// letting the wanted one serve at once: its requests wait in its lane.
#[must_use]
pub fn plan(view: &PlanView<'_>) -> Plan {
    let mut plan = Plan::default();
    let live = |version| {
        view.actions
            .iter()
            .find(|action| action.version == version && action.phase != ActionPhase::Retired)
    };
    let mut serving = view.serving;
    match view.wanted {
        None => {
            plan.withdraw = serving.is_some();
            serving = None;
        }
        Some(wanted) => {
            let action = live(wanted);
            if action.is_none() {
                plan.start = Some(wanted);
            }
            let ready = action.is_some_and(|action| action.phase == ActionPhase::Ready);
            if serving != Some(wanted) && (ready || view.forced || serving.is_none()) {
                plan.serve = Some(wanted);
                serving = Some(wanted);
            }
        }
    }
    plan.retire = view
        .actions
        .iter()
        .filter(|action| action.phase != ActionPhase::Retired && !action.prepared)
        .map(|action| action.version)
        .filter(|version| Some(*version) != view.wanted && Some(*version) != serving)
        .collect();
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(version: VersionId, phase: ActionPhase) -> PlannedAction {
        PlannedAction {
            version,
            phase,
            prepared: false,
        }
    }

    #[test]
    fn at_the_start_the_wanted_version_serves_at_once_and_its_requests_wait() {
        let wanted = VersionId::generate();
        let plan = plan(&PlanView {
            wanted: Some(wanted),
            forced: false,
            serving: None,
            actions: &[],
        });
        assert_eq!(
            plan,
            Plan {
                start: Some(wanted),
                serve: Some(wanted),
                ..Plan::default()
            }
        );
    }

    #[test]
    fn a_successor_serves_only_when_it_is_ready_and_then_the_old_one_retires() {
        let (old, new) = (VersionId::generate(), VersionId::generate());
        let mut actions = [action(old, ActionPhase::Ready), action(new, ActionPhase::Warming)];
        let plan_for = |actions: &[PlannedAction]| {
            plan(&PlanView {
                wanted: Some(new),
                forced: false,
                serving: Some(old),
                actions,
            })
        };
        assert_eq!(plan_for(&actions), Plan::default());

        actions[1].phase = ActionPhase::Failed;
        assert_eq!(plan_for(&actions), Plan::default(), "the old one goes on serving");

        actions[1].phase = ActionPhase::Ready;
        assert_eq!(
            plan_for(&actions),
            Plan {
                serve: Some(new),
                retire: vec![old],
                ..Plan::default()
            }
        );
    }

    #[test]
    fn a_forced_version_serves_although_it_failed() {
        let (old, new) = (VersionId::generate(), VersionId::generate());
        let actions = [action(old, ActionPhase::Ready), action(new, ActionPhase::Failed)];
        let view = PlanView {
            wanted: Some(new),
            forced: true,
            serving: Some(old),
            actions: &actions,
        };
        assert_eq!(plan(&view).serve, Some(new));
    }

    #[test]
    fn a_prepared_version_stays_until_it_is_decided_upon() {
        let (old, prepared) = (VersionId::generate(), VersionId::generate());
        let mut actions = [
            action(old, ActionPhase::Ready),
            action(prepared, ActionPhase::Ready),
        ];
        actions[1].prepared = true;
        let view = PlanView {
            wanted: Some(old),
            forced: false,
            serving: Some(old),
            actions: &actions,
        };
        assert_eq!(plan(&view), Plan::default());
        actions[1].prepared = false;
        let view = PlanView {
            wanted: Some(old),
            forced: false,
            serving: Some(old),
            actions: &actions,
        };
        assert_eq!(plan(&view).retire, [prepared]);
    }

    #[test]
    fn a_disabled_job_has_no_routes_and_its_actions_finish() {
        let old = VersionId::generate();
        let actions = [action(old, ActionPhase::Ready)];
        let view = PlanView {
            wanted: None,
            forced: false,
            serving: Some(old),
            actions: &actions,
        };
        assert_eq!(
            plan(&view),
            Plan {
                withdraw: true,
                retire: vec![old],
                ..Plan::default()
            }
        );
    }

    #[test]
    fn a_version_that_is_wanted_again_while_it_retires_gets_a_new_action() {
        let (old, new) = (VersionId::generate(), VersionId::generate());
        let actions = [action(old, ActionPhase::Retired), action(new, ActionPhase::Ready)];
        let view = PlanView {
            wanted: Some(old),
            forced: false,
            serving: Some(new),
            actions: &actions,
        };
        assert_eq!(
            plan(&view),
            Plan {
                start: Some(old),
                ..Plan::default()
            }
        );
    }
}
