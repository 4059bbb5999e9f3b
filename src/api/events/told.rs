//! What has changed when somebody used the API to change something.

use actix_web::HttpRequest;
use actix_web::http::{Method, StatusCode};
use jobber_actors::changes::{Extent, Topic};

use crate::api::state::ApiState;

/// Tells what a request has changed, by what it was answered with.
pub(in crate::api) async fn tell_change(state: &ApiState, request: &HttpRequest, answered: StatusCode) {
    let changes = state.tree.changes();
    if !changes.is_heard() {
        return;
    }
    let pattern = request.match_pattern().unwrap_or_default();
    if !answered.is_success() && !changes_when_refused(&pattern, answered) {
        return;
    }
    let topics = topics(request.method(), &pattern);
    if topics.is_empty() {
        return;
    }
    let extent = match request.match_info().get("job") {
        None => Extent::Any,
        Some(name) => match state.jobs.find(name).await {
            Ok(job) => job.map_or(Extent::Any, |job| Extent::job(job.id)),
            Err(error) => {
                tracing::debug!(%error, "of which job something has changed is not known");
                Extent::Any
            }
        },
    };
    for topic in topics {
        changes.tell(*topic, || extent.clone());
    }
}

/// Whether a request may have changed something although it was refused: a version that can not be imported is kept, and its job
/// says so. Whoever may not do it at all, or names nothing that is there, has changed nothing, and makes nobody look.
fn changes_when_refused(pattern: &str, answered: StatusCode) -> bool {
    let was_tried = !matches!(
        answered,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
    );
    was_tried && matches!(pattern, "/api/job/publish" | "/api/job/{job}")
}

/// What a request changes, by the pattern of its path. Of what is not here, what it changes tells itself.
fn topics(method: &Method, pattern: &str) -> &'static [Topic] {
    let mut segments = pattern.trim_start_matches("/api/").split('/');
    match (segments.next(), segments.next(), segments.next()) {
        (Some("users"), ..) => &[Topic::Users],
        (Some("api-tokens"), ..) => &[Topic::ApiTokens],
        (Some("backups"), ..) => &[Topic::Backups],
        (Some("job"), Some("publish"), None) => &[Topic::Jobs, Topic::Versions, Topic::Triggers],
        (Some("job"), Some("{job}"), None) if method == Method::DELETE => &[Topic::Jobs],
        (Some("job"), Some("{job}"), None) => &[Topic::Jobs, Topic::Versions, Topic::Triggers],
        (Some("job"), Some("{job}"), Some("versions")) if method == Method::DELETE => {
            &[Topic::Versions, Topic::Jobs]
        }
        (Some("job"), Some("{job}"), Some("environment")) => &[Topic::Environment],
        (Some("job"), Some("{job}"), Some("store")) => &[Topic::Store],
        (Some("job"), Some("{job}"), Some("dead-letters")) => &[Topic::Queue],
        (Some("job"), Some("{job}"), Some("runners")) => &[Topic::Runners],
        (Some("job"), Some("{job}"), Some("triggers")) if pattern.ends_with("/run") => {
            &[Topic::Triggers, Topic::Queue]
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openapi::{DOCUMENT, operations};

    /// Operations after which nobody has to read anything again, or that change what tells itself.
    const SILENT: [&str; 9] = [
        "testVersion",
        "publishMessage",
        "replayInvocations",
        "cancelReplay",
        "logIn",
        "logOut",
        "endSession",
        "rotateCallbackSecret",
        "replayInvocation",
    ];

    #[test]
    fn all_that_can_be_changed_is_told() {
        for operation in operations(&DOCUMENT).filter(|operation| operation.method != "get") {
            let method = Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap();
            let told = !topics(&method, operation.path).is_empty();
            assert_ne!(told, SILENT.contains(&operation.id), "{}", operation.id);
        }
    }

    #[test]
    fn what_a_refused_request_may_have_changed_is_an_operation() {
        for pattern in ["/api/job/publish", "/api/job/{job}"] {
            assert!(changes_when_refused(pattern, StatusCode::UNPROCESSABLE_ENTITY));
            assert!(!changes_when_refused(pattern, StatusCode::UNAUTHORIZED));
            assert!(!changes_when_refused(pattern, StatusCode::FORBIDDEN));
            assert!(
                operations(&DOCUMENT).any(|operation| operation.path == pattern),
                "{pattern}"
            );
        }
        assert!(!changes_when_refused(
            "/api/users",
            StatusCode::UNPROCESSABLE_ENTITY
        ));
    }
}
