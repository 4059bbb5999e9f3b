//! The documentation is true: every command and every snippet in it is executed, and what it shows as output is compared.
//! `page.rs` says how a page is read.

mod check;
mod page;
mod place;
mod script;
mod workflow;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use self::page::{Step, steps};
use self::place::Place;
use crate::compose::Project;

/// Blocks with which nothing is done, in all pages together; each says why.
const LEFT: usize = 13;
/// Most commands from an empty data directory to the first answer of one's own function.
const FIRST_COMMANDS: usize = 4;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &str) -> Vec<Step> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    steps(&text).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// Does a page.
async fn does(page: &str, place: &Place) {
    let ran = script::run(page, &read(page), place).await;
    place.tidy(page).await;
    ran.unwrap_or_else(|error| panic!("{error}"));
}

/// A story for each page with commands: on the shared server, or alone with the `jobber dev` that it starts.
macro_rules! pages {
    ($($name:ident: $page:literal on $place:expr;)*) => {
        const RUN: &[&str] = &[$($page),*];
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                does($page, &$place).await;
            }
        )*
    };
}

pages! {
    the_readme: "README.md" on Place::alone();

    the_guide_to_http: "docs/guide/http.md" on Place::shared().await;
    the_guide_to_mqtt: "docs/guide/mqtt.md" on Place::shared().await;
    the_guide_to_schedules: "docs/guide/schedules.md" on Place::shared().await;
    the_guide_to_typescript: "docs/guide/typescript.md" on Place::shared().await;
    the_guide_to_secrets: "docs/guide/secrets.md" on Place::shared().await;
    the_guide_to_debugging: "docs/guide/debugging.md" on Place::shared().await;
    the_guide_to_publishing_from_ci: "docs/guide/ci.md" on Place::shared().await;
    the_guide_to_upgrading: "docs/guide/upgrading.md" on Place::shared().await;
    the_guide_to_backups: "docs/guide/backups.md" on Place::shared().await;
    the_guide_to_operations: "docs/guide/operations.md" on Place::shared().await;
    the_guide_to_tuning: "docs/guide/tuning.md" on Place::shared().await;

    the_command_line: "docs/reference/command-line.md" on Place::shared().await;
    the_handler: "docs/reference/handler.md" on Place::shared().await;
    the_admin_api: "docs/reference/admin-api.md" on Place::shared().await;
    asynchronous_calls: "docs/reference/async-calls.md" on Place::shared().await;
    the_configuration: "docs/reference/configuration.md" on Place::shared().await;
    deliveries: "docs/reference/deliveries.md" on Place::shared().await;
    health: "docs/reference/health.md" on Place::shared().await;
    tracing: "docs/reference/tracing.md" on Place::shared().await;

    the_example_of_http: "examples/hello-http/README.md" on Place::shared().await;
    the_example_of_typescript: "examples/http-typescript/README.md" on Place::shared().await;
    the_example_of_streams: "examples/web-standard/README.md" on Place::shared().await;
    the_example_of_hono: "examples/hono/README.md" on Place::shared().await;
    the_example_of_express: "examples/express/README.md" on Place::shared().await;
    the_example_of_messages: "examples/mqtt-echo/README.md" on Place::shared().await;
    the_example_of_a_bridge: "examples/mqtt-to-http/README.md" on Place::shared().await;
    the_example_of_a_schedule: "examples/schedule-report/README.md" on Place::shared().await;
}

const FIRST: &str = "docs/guide/first-function.md";
const SELF_HOSTING: &str = "docs/guide/self-hosting.md";

/// Does the page about the system in containers, on such a system.
pub async fn self_hosting(project: &Project) {
    does(SELF_HOSTING, &Place::composed(project)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_function_answers_after_a_few_commands() {
    let commands = read(FIRST)
        .into_iter()
        .take_while(|step| !matches!(step, Step::Printed { .. }))
        .filter_map(|step| match step {
            Step::Shown { script, .. } => Some(script.lines().count()),
            _ => None,
        })
        .sum::<usize>();
    assert!((1..=FIRST_COMMANDS).contains(&commands), "{commands} commands");
    let place = Place::alone();
    does(FIRST, &place).await;
    let seconds = std::fs::read_to_string(place.folder().join(".first-answer")).unwrap();
    let told = format!(
        "{commands} commands and {} s from an empty data directory to the first 200\n",
        seconds.trim()
    );
    // Past the test harness, which keeps what tests print by its macros.
    std::io::stderr().write_all(told.as_bytes()).unwrap();
}

/// All pages, from the repository's top.
fn pages() -> BTreeSet<String> {
    let mut found = BTreeSet::from(["README.md".to_owned()]);
    let mut folders: Vec<PathBuf> = ["docs/guide", "docs/reference", "examples"]
        .map(PathBuf::from)
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder))
            .unwrap()
            .map(Result::unwrap)
        {
            let path = folder.join(entry.file_name());
            if entry.path().is_dir() && entry.file_name() != "node_modules" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.insert(path.to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn no_command_is_left_out_silently() {
    let mut left = Vec::new();
    for page in pages() {
        let steps = read(&page);
        let has_commands = steps.iter().any(|step| {
            matches!(
                step,
                Step::Shown { .. } | Step::Hidden { .. } | Step::Write { .. } | Step::Printed { .. }
            )
        });
        let has_story = [FIRST, SELF_HOSTING].contains(&page.as_str()) || RUN.contains(&page.as_str());
        assert_eq!(has_commands, has_story, "{page} has commands, or has a story");
        for step in steps {
            match step {
                Step::Nothing { line, reason } => left.push(format!("{page}:{line}: {reason}")),
                // Of pages without commands; the others do it in their story.
                Step::Check { line, language, text } if !has_commands => {
                    let checked = check::check(&language, &text);
                    checked.unwrap_or_else(|error| panic!("{page}:{line}: {error}"));
                }
                _ => {}
            }
        }
    }
    assert_eq!(left.len(), LEFT, "{left:#?}");
}
