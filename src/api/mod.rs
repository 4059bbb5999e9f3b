//! The admin API on port 3000: JSON in an envelope, for whoever may.
//!
//! Handlers translate: paths and bodies to the use cases and stores of the crate, their results to the envelope and
//! their errors to problems (RFC 9457) with a stable code. `docs/reference/admin-errors.md` has a section for each code.

mod access;
mod api_tokens;
mod audit;
mod auth;
mod config;
mod dead_letters;
mod environment;
mod health;
mod jobs;
mod logs;
mod problem;
mod publish;
mod reply;
mod runners;
mod schedules;
mod server;
mod state;
mod store;
mod triggers;
mod users;
mod versions;

use actix_web::web::{self, ServiceConfig};

pub use config::AdminConfig;
pub use problem::{ApiError, FieldError};
pub use server::AdminServer;
pub use state::{ApiParts, ApiState};

/// The routes of the API. Job names hold no `:` and never equal a word that stands in a job's place.
fn routes(api: &mut ServiceConfig) {
    api.route("/healthz", web::get().to(health::alive))
        .route("/readyz", web::get().to(health::ready))
        .route("/api/errors", web::get().to(problem::page))
        .route("/api/auth/login", web::post().to(auth::log_in))
        .service(
            web::scope("/api")
                .wrap(actix_web::middleware::from_fn(access::authenticate))
                .route("/debug/tree", web::get().to(health::tree))
                .route("/job/publish", web::post().to(publish::publish))
                .route("/job/runners", web::get().to(runners::list_all))
                .route("/job", web::get().to(jobs::list))
                .service(
                    web::resource("/job/{job}")
                        .get(jobs::get)
                        .put(jobs::update)
                        .delete(jobs::remove)
                        .default_service(web::to(problem::method_not_allowed)),
                )
                .route("/job/{job}/versions", web::get().to(versions::list))
                .service(
                    web::resource("/job/{job}/versions/{version}")
                        .get(versions::get)
                        .delete(versions::remove)
                        .default_service(web::to(problem::method_not_allowed)),
                )
                .route(
                    "/job/{job}/versions/{version}/archive",
                    web::get().to(versions::archive),
                )
                .route("/job/{job}/actions", web::get().to(jobs::all_actions))
                .route("/job/{job}/actions:latest", web::get().to(jobs::latest_actions))
                .route("/job/{job}/actions:current", web::get().to(jobs::current_actions))
                .route("/job/{job}/triggers", web::get().to(triggers::all))
                .route("/job/{job}/triggers:latest", web::get().to(triggers::latest))
                .route("/job/{job}/triggers:current", web::get().to(triggers::current))
                .route("/job/{job}/logs", web::get().to(logs::read))
                .route("/job/{job}/runners", web::get().to(runners::list))
                .route("/job/{job}/runners/{runner}", web::delete().to(runners::stop))
                .route("/job/{job}/environment", web::get().to(environment::list))
                .service(
                    web::resource("/job/{job}/environment/{name}")
                        .post(environment::set)
                        .delete(environment::remove)
                        .default_service(web::to(problem::method_not_allowed)),
                )
                .configure(queue_routes)
                .configure(store_routes)
                .configure(access_routes)
                .default_service(web::to(problem::not_found)),
        );
}

/// What is delivered without anybody waiting for it.
fn queue_routes(api: &mut ServiceConfig) {
    let resource =
        |path: &str| web::resource(path.to_owned()).default_service(web::to(problem::method_not_allowed));
    api.service(resource("/job/{job}/queue").get(dead_letters::counts))
        .service(
            resource("/job/{job}/dead-letters")
                .get(dead_letters::list)
                .delete(dead_letters::discard_all),
        )
        .service(resource("/job/{job}/dead-letters/redrive").post(dead_letters::redrive_all))
        .service(
            resource("/job/{job}/dead-letters/{id}")
                .get(dead_letters::get)
                .delete(dead_letters::discard),
        )
        .service(resource("/job/{job}/dead-letters/{id}/redrive").post(dead_letters::redrive))
        .service(resource("/job/{job}/triggers/{trigger}/status").get(triggers::status))
        .service(resource("/job/{job}/triggers/{trigger}/fires").get(schedules::fires))
        .service(resource("/job/{job}/triggers/{trigger}/run").post(schedules::run));
}

/// What functions keep.
fn store_routes(api: &mut ServiceConfig) {
    let resource = |path: &str| {
        web::resource(path.to_owned())
            .app_data(server::json_config(store::MAX_BODY_BYTES))
            .default_service(web::to(problem::method_not_allowed))
    };
    api.service(resource("/job/{job}/store").get(store::list))
        .service(
            resource("/job/{job}/store/{key}")
                .get(store::get)
                .put(store::set)
                .delete(store::remove),
        )
        .service(resource("/job/{job}/store/{key}/increment").post(store::increment))
        .service(resource("/job/{job}/store/{key}/compare-and-set").post(store::compare_and_set));
}

/// Who may do what.
fn access_routes(api: &mut ServiceConfig) {
    let resource =
        |path: &str| web::resource(path.to_owned()).default_service(web::to(problem::method_not_allowed));
    api.service(resource("/auth").get(auth::whoami))
        .service(resource("/auth/logout").post(auth::log_out))
        .service(resource("/auth/sessions").get(auth::sessions))
        .service(resource("/auth/sessions/{session}").delete(auth::end_session))
        .service(resource("/users").get(users::list).post(users::create))
        .service(
            resource("/users/{user}")
                .get(users::get)
                .put(users::update)
                .delete(users::remove),
        )
        .service(
            resource("/api-tokens")
                .get(api_tokens::list)
                .post(api_tokens::create),
        )
        .service(
            resource("/api-tokens/{token}")
                .get(api_tokens::get)
                .put(api_tokens::update)
                .delete(api_tokens::remove),
        )
        .service(resource("/audit").get(audit::list));
}
