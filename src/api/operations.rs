//! The operations of the API, in one table: the routes and the OpenAPI document both come from it.

use std::future::ready;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, Resource, Route};
use utoipa::OpenApi;

use super::input::BodyLimit;
use super::openapi::{self, DOCUMENT, Operation, Problem};
use super::problem::FieldError;
use super::{
    access, api_tokens, audit, auth, backups, callback_secret, dead_letters, docs_page, environment, events,
    everywhere, first_start, health, invocations, jobs, logs, metrics, problem, publications, publish,
    runners, schedules, settings, storage, store, test_events, triggers, users, versions,
};

/// What says of an operation that its body may be larger than others, in bytes.
const LIMIT: &str = "x-max-body-bytes";
/// What all but the open operations lie below.
const SCOPE: &str = "/api";

/// Operations by their ids, and who handles them. Path and method stand at the handler.
macro_rules! operations {
    ($($id:ident => $module:ident::$handler:ident,)*) => {
        /// The document, before it is completed.
        #[derive(OpenApi)]
        #[openapi(
            info(title = "Jobber admin API", description = "Publish packages, and look after jobs, users and tokens."),
            paths($($module::$handler),*),
            components(schemas(Problem, FieldError)),
            security(("token" = []), ("session" = [])),
        )]
        pub(super) struct Annotated;

        fn route(id: &str) -> Option<Route> {
            match id {
                $(stringify!($id) => Some(web::to($module::$handler)),)*
                _ => None,
            }
        }

        #[cfg(test)]
        pub(super) const IDS: &[&str] = &[$(stringify!($id)),*];
    };
}

operations! {
    isAlive => health::alive,
    isReady => health::ready,
    getSupervisionTree => health::tree,
    followEvents => events::follow,
    getOpenApi => openapi::json,
    getMetrics => metrics::prometheus,
    getMetricsOverview => metrics::overview,
    getAllMetricSeries => metrics::all_series,
    getMetricsByJob => metrics::by_job,
    getMetricSeries => metrics::series,
    getStorage => storage::get,
    getConfig => settings::list,
    getDocs => docs_page::page,
    getErrorsPage => problem::page,
    logIn => auth::log_in,
    logOut => auth::log_out,
    getIdentity => auth::whoami,
    getFirstStart => first_start::get,
    listSessions => auth::sessions,
    endSession => auth::end_session,
    listUsers => users::list,
    getUser => users::get,
    createUser => users::create,
    updateUser => users::update,
    deleteUser => users::remove,
    listApiTokens => api_tokens::list,
    getApiToken => api_tokens::get,
    createApiToken => api_tokens::create,
    updateApiToken => api_tokens::update,
    deleteApiToken => api_tokens::remove,
    listAuditEntries => audit::list,
    listBackups => backups::list,
    createBackup => backups::create,
    downloadBackup => backups::download,
    deleteBackup => backups::remove,
    publishJob => publish::publish,
    listJobs => jobs::list,
    getJob => jobs::get,
    updateJob => jobs::update,
    deleteJob => jobs::remove,
    listVersions => versions::list,
    getVersion => versions::get,
    deleteVersion => versions::remove,
    listVersionFiles => versions::files,
    getVersionText => versions::text,
    downloadVersion => versions::archive,
    testVersion => test_events::send,
    listActions => jobs::all_actions,
    getLatestAction => jobs::latest_action,
    getCurrentAction => jobs::current_action,
    listTriggers => triggers::all,
    listLatestTriggers => triggers::latest,
    listCurrentTriggers => triggers::current,
    getTriggerStatus => triggers::status,
    listFires => schedules::fires,
    runSchedule => schedules::run,
    publishMessage => publications::publish,
    readLogs => logs::read,
    readAllLogs => logs::read_all,
    followLogs => logs::follow,
    exportLogs => logs::export,
    listAllRunners => everywhere::all_runners,
    listAllActions => everywhere::actions,
    listAllLatestActions => everywhere::latest_actions,
    listAllTriggers => everywhere::all_triggers,
    listAllLatestTriggers => everywhere::latest_triggers,
    listActionRunners => runners::of_action,
    listRunners => runners::list,
    stopRunner => runners::stop,
    listVariables => environment::list,
    setVariable => environment::set,
    deleteVariable => environment::remove,
    getCallbackSecret => callback_secret::get,
    rotateCallbackSecret => callback_secret::rotate,
    listItems => store::list,
    getItem => store::get,
    setItem => store::set,
    compareAndSetItem => store::compare_and_set,
    incrementItem => store::increment,
    deleteItem => store::remove,
    listInvocations => invocations::list,
    listAllInvocations => invocations::list_all,
    getInvocationPoints => invocations::points,
    getAllInvocationPoints => invocations::points_of_all,
    getInvocation => invocations::get,
    replayInvocation => invocations::replay,
    replayInvocations => invocations::replay_all,
    listReplays => invocations::list_replays,
    getReplay => invocations::get_replay,
    cancelReplay => invocations::cancel_replay,
    getQueueCounts => dead_letters::counts,
    listQueueCounts => dead_letters::all_counts,
    listAllDeadLetters => dead_letters::list_all,
    listDeadLetters => dead_letters::list,
    getDeadLetter => dead_letters::get,
    redriveDeadLetter => dead_letters::redrive,
    redriveDeadLetters => dead_letters::redrive_all,
    discardDeadLetter => dead_letters::discard,
    discardDeadLetters => dead_letters::discard_all,
}

/// The routes of the API. A path's fixed segments come before its parameters, as in the document; job names hold no `:` and
/// never equal a word that stands in a job's place.
pub(super) fn routes(api: &mut ServiceConfig) {
    let mut scope = web::scope(SCOPE).wrap(from_fn(access::authenticate));
    let operations = openapi::operations(&DOCUMENT).collect::<Vec<_>>();
    for on_path in operations.chunk_by(|one, two| one.path == two.path) {
        let path = on_path.first().map_or("", |operation| operation.path);
        if on_path.iter().all(Operation::is_open) {
            api.service(resource(path, on_path));
        } else {
            scope = scope.service(resource(path.strip_prefix(SCOPE).unwrap_or(path), on_path));
        }
    }
    api.service(scope.default_service(web::to(problem::not_found)));
}

fn resource(path: &str, operations: &[Operation<'_>]) -> Resource {
    let methods = operations
        .iter()
        .map(|operation| operation.method.to_ascii_uppercase());
    let allowed = methods.collect::<Vec<_>>().join(", ");
    let refuse = move |request: HttpRequest| ready(problem::method_not_allowed(&request, &allowed));
    let resource = web::resource(path).default_service(web::to(refuse));
    let bytes = operations
        .iter()
        .filter_map(|operation| operation.about[LIMIT].as_u64())
        .max();
    let resource = match bytes.and_then(|bytes| usize::try_from(bytes).ok()) {
        Some(bytes) => resource.app_data(BodyLimit(bytes)),
        None => resource,
    };
    operations.iter().fold(resource, |resource, operation| {
        let method = Method::from_bytes(operation.method.to_ascii_uppercase().as_bytes());
        let method = method.expect("the document has the methods of HTTP");
        let route = route(operation.id).expect("a test compares the ids of the document with the table");
        resource.route(route.method(method))
    })
}
