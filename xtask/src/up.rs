//! `cargo xtask up`: the first command that a newcomer types.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::node::{self, NEWEST, Node};
use crate::provision::{docker, postgres};
use crate::{command, images, ui, workspace};

/// The function that a newcomer sees first.
const EXAMPLE: &str = "examples/hello-http";

/// What `cargo xtask up` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Build with optimisations: slower to build, faster to run.
    #[arg(long)]
    release: bool,
    /// Options for `jobber dev`, after `--`; a folder among them takes the place of the example.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Builds Jobber, runs `jobber dev` in the foreground, and prints a line to try once it is ready.
///
/// # Errors
/// When something is missing and cannot be installed, the build fails, or the server does.
pub(crate) fn run(options: &Options) -> Result<()> {
    postgres::ensure()?;
    let path = search_path()?;
    if wants_docker(&options.arguments) {
        docker::ensure()?;
        images::build_all()?;
    }
    // The panel is no condition: the program says how to build it where its packages cannot be had.
    if let Err(error) = ui::build() {
        println!("  the admin panel is not built: {error:#}");
    }
    let mut build = workspace::cargo("build");
    build.args(["--workspace", "--bin", "jobber"]);
    if options.release {
        build.arg("--release");
    }
    command::run(&mut build)?;
    serve(options, path)
}

fn serve(options: &Options, path: Option<OsString>) -> Result<()> {
    let profile = if options.release { "release" } else { "debug" };
    let program = workspace::target().join(profile).join("jobber");
    let folder = function(&options.arguments).unwrap_or_else(|| workspace::root().join(EXAMPLE));

    // A group of its own: Ctrl-C reaches it once, through this process, which stays until everything is cleaned up.
    // `setpriv` ends it when this process is killed.
    let mut server = Command::new("setpriv");
    server.args(["--pdeathsig", "TERM"]).arg(program).arg("dev");
    if function(&options.arguments).is_none() {
        server.arg(&folder);
    }
    server
        .args(&options.arguments)
        .current_dir(workspace::root())
        .process_group(0)
        .stdout(Stdio::piped());
    if let Some(path) = path {
        server.env("PATH", path);
    }
    // What the tests have downloaded serves here as well: each function then gets the version that it asks for.
    for major in node::MAJORS {
        let name = format!("RUNNER_NODE{major}_PATH");
        if let (None, Some(node)) = (std::env::var_os(&name), Node::downloaded(major)) {
            server.env(name, node.program());
        }
    }
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot handle signals")?;
    let mut server = server.spawn().context("cannot start jobber")?;
    let handle = signals.handle();
    let pid = server.id().to_string();
    let forward = thread::spawn(move || {
        for signal in &mut signals {
            // An error means that the server is gone, which the other thread sees.
            command::succeeds(Command::new("kill").args(["-s", &signal.to_string(), &pid]));
        }
    });
    let shown = show(&mut server, &data(&options.arguments), &folder);
    let status = server.wait()?;
    handle.close();
    forward.join().ok();
    shown?;
    if !status.success() {
        bail!("jobber ended with {status}");
    }
    Ok(())
}

/// Passes on what the server prints, and says what to try once it is ready.
#[expect(
    clippy::disallowed_methods,
    reason = "the lines come from the server that was just built from this repository"
)]
fn show(server: &mut Child, data: &Path, folder: &Path) -> Result<()> {
    let output = server.stdout.take().context("the server has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("cannot read what the server prints")?;
        println!("{line}");
        if line.starts_with("ready") {
            match curl(data, folder) {
                Ok(curl) => println!("\nTry it:\n\n    {curl}\n\nCtrl-C ends it."),
                Err(error) => println!("{error:#}"),
            }
        }
    }
    Ok(())
}

/// A `curl` line for the first HTTP trigger of the function in `folder`.
fn curl(data: &Path, folder: &Path) -> Result<String> {
    let server = read(&data.join("dev.json"))?;
    let gateway = server["gateway"]
        .as_str()
        .context("dev.json names no gateway")?
        .trim_end_matches('/')
        .to_owned();
    let package = read(&folder.join("package.json"))?;
    let triggers = package["triggers"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut http = triggers.iter().filter(|trigger| trigger["type"] == "http");
    let (method, path) = http
        .find_map(request)
        .with_context(|| format!("{} answers no plain address", folder.display()))?;
    let method = if method == "GET" {
        String::new()
    } else {
        format!("-X {method} ")
    };
    Ok(format!("curl {method}{gateway}{path}"))
}

/// A method and a path that `trigger` answers; nothing where a regular expression says which.
fn request(trigger: &Value) -> Option<(&str, String)> {
    let route = trigger["path"].as_str().unwrap_or("/");
    if route.starts_with('^') {
        return None;
    }
    let segments = route.split('/').map(|segment| {
        if segment.starts_with([':', '*']) {
            "world"
        } else {
            segment
        }
    });
    Some((
        trigger["method"].as_str().unwrap_or("GET"),
        segments.collect::<Vec<_>>().join("/"),
    ))
}

fn read(file: &Path) -> Result<Value> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}

/// The search path with a Node that can run functions first; nothing when the machine's own can.
fn search_path() -> Result<Option<OsString>> {
    let version = command::output(Command::new("node").arg("--version")).unwrap_or_default();
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= node::MAJORS[0]) {
        return Ok(None);
    }
    Node::ensure(NEWEST)?.search_path().map(Some)
}

/// The first of `jobber dev`'s arguments that is the folder of a function.
fn function(arguments: &[String]) -> Option<PathBuf> {
    let folders = arguments.iter().filter(|argument| !argument.starts_with('-'));
    folders
        .map(|folder| workspace::root().join(folder))
        .find(|folder| folder.join("package.json").is_file())
}

/// The data folder that `jobber dev` will use.
fn data(arguments: &[String]) -> PathBuf {
    workspace::root().join(option(arguments, "--data").unwrap_or(".jobber"))
}

fn wants_docker(arguments: &[String]) -> bool {
    option(arguments, "--engine") == Some("docker")
}

/// The value of `--name value` or `--name=value`.
fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    arguments
        .iter()
        .enumerate()
        .find_map(|(index, argument)| match argument.strip_prefix(name)? {
            "" => arguments.get(index + 1).map(String::as_str),
            rest => rest.strip_prefix('='),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_found_in_both_forms() {
        let arguments = ["--data", "elsewhere", "--engine=docker"].map(str::to_owned);
        assert_eq!(option(&arguments, "--data"), Some("elsewhere"));
        assert!(wants_docker(&arguments));
        assert_eq!(option(&arguments, "--gateway-port"), None);
    }

    #[test]
    fn a_route_becomes_an_address_that_it_answers() {
        let request = |trigger| request(&trigger).map(|(method, path)| format!("{method} {path}"));
        assert_eq!(
            request(json!({"path": "/hello/:name"})).as_deref(),
            Some("GET /hello/world")
        );
        assert_eq!(
            request(json!({"method": "POST", "path": "/files/*rest"})).as_deref(),
            Some("POST /files/world")
        );
        assert_eq!(request(json!({})).as_deref(), Some("GET /"));
        assert_eq!(request(json!({"path": "^/[0-9]+$"})), None);
    }

    #[test]
    fn the_line_to_try_names_the_gateway_and_the_first_plain_route() {
        let folder = workspace::target()
            .join("xtask-tests")
            .join(std::process::id().to_string());
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join("dev.json"),
            r#"{"gateway": "http://127.0.0.1:3001/"}"#,
        )
        .unwrap();
        let triggers =
            json!([{"type": "mqtt"}, {"type": "http", "path": "^/x"}, {"type": "http", "path": "/hello"}]);
        fs::write(
            folder.join("package.json"),
            json!({"triggers": triggers}).to_string(),
        )
        .unwrap();
        let curl = curl(&folder, &folder);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(curl.unwrap(), "curl http://127.0.0.1:3001/hello");
    }
}
