//! Does what a page says, in one shell, and compares what comes of it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use regex::{Captures, Regex};
use tokio::process::Command;
use tokio::time::timeout;

use super::page::Step;
use super::place::Place;

/// Installing packages and starting servers included.
const BOUND: Duration = Duration::from_secs(240);
/// Stands before the output of each block: no program writes it.
const MARK: char = '\u{1e}';

/// Does a page's steps in its place.
///
/// # Errors
/// Where the page is wrong, and all that was printed there.
pub async fn run(name: &str, steps: &[Step], place: &Place) -> Result<(), String> {
    let script = script(steps, place);
    let file = place.folder().join(".page.sh");
    std::fs::write(&file, script).unwrap();
    let mut shell = Command::new("bash");
    shell
        .arg(&file)
        .current_dir(place.folder())
        .env_remove("JOBBER_URL")
        .env_remove("JOBBER_TOKEN")
        .env_remove("JOBBER_GATEWAY_URL")
        .envs(place.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let ended = timeout(BOUND, shell.output()).await;
    let output = ended.map_err(|_| format!("{name} does not come to its end within {BOUND:?}"))?;
    let output = output.unwrap();
    let text = place.canonical(&String::from_utf8_lossy(&output.stdout));
    let parts = parts(&text);
    if !output.status.success() {
        let (line, said) = parts.last().copied().unwrap_or((1, &text));
        return Err(format!("{name}:{line}: a command has failed:\n{said}"));
    }
    let mut shown = None;
    for step in steps {
        match step {
            Step::Shown { line, .. } => shown = Some(*line),
            Step::Printed { line, text } => {
                let shown = shown.ok_or_else(|| format!("{name}:{line}: nothing was run before"))?;
                let said = parts
                    .iter()
                    .find(|(line, _)| *line == shown)
                    .map_or("", |(_, said)| said);
                if !is_as_said(text, said) {
                    return Err(format!(
                        "{name}:{line}: what is printed is\n{said}\nand not\n{text}"
                    ));
                }
            }
            Step::Check { line, language, text } => {
                super::check::check(language, text).map_err(|error| format!("{name}:{line}: {error}"))?;
            }
            Step::Hidden { .. } | Step::Write { .. } | Step::Nothing { .. } => {}
        }
    }
    Ok(())
}

/// The steps as one script.
fn script(steps: &[Step], place: &Place) -> String {
    let mut script = include_str!("prelude.sh").to_owned();
    script += "exec 2>&1\n";
    for step in steps {
        match step {
            Step::Shown {
                line,
                script: commands,
                background,
            } => {
                let commands = place.actual(commands);
                script += &format!("printf '\\n{MARK}%s\\n' {line}\n");
                script += &if *background {
                    format!("{{\n{commands}\n}} > \"$PAGE/.background\" 2>&1 &\n")
                } else {
                    format!("{commands}\n")
                };
            }
            Step::Hidden { script: commands, .. } => {
                let commands = place.actual(commands);
                script += &format!("{{\n{commands}\n}} > \"$PAGE/.hidden\" 2>&1\n");
            }
            Step::Write { name, text, .. } => {
                script += &format!("mkdir -p \"$(dirname '{name}')\"\n");
                script += &format!(
                    "cat > '{name}' <<'{MARK}END'\n{}\n{MARK}END\n",
                    text.trim_end_matches('\n')
                );
            }
            Step::Printed { .. } | Step::Check { .. } | Step::Nothing { .. } => {}
        }
    }
    script
}

/// What was printed by each of the shown blocks, with their lines.
fn parts(output: &str) -> Vec<(usize, &str)> {
    let marked = output.split(MARK).skip(1);
    marked
        .filter_map(|part| {
            let (line, said) = part.split_once('\n')?;
            Some((line.parse().ok()?, said))
        })
        .collect()
}

/// Whether an output is the one that a page shows.
fn is_as_said(page: &str, output: &str) -> bool {
    let mut pattern = String::from(r"(?s)\A");
    for line in lines(&constant(page)) {
        if line == "…" {
            pattern += r"(?:[^\n]*\n)*?";
        } else {
            let line = regex::escape(&line).replace('…', r"[^\n]*?");
            pattern += &format!(r"{line}\n");
        }
    }
    pattern += r"\z";
    let output: String = lines(&constant(output)).map(|line| line + "\n").collect();
    Regex::new(&pattern).unwrap().is_match(&output)
}

/// Lines without what nobody sees: spaces at their ends, and empty ones.
fn lines(text: &str) -> impl Iterator<Item = String> {
    let lines: Vec<_> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.into_iter().filter(|line| !line.is_empty())
}

/// A text in which ids, instants and measures are the same each time.
fn constant(text: &str) -> String {
    let changing = Regex::new(concat!(
        r"(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
        r"|(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?|\b\d\d:\d\d:\d\d(?:\.\d+)?\b)",
        r"|(?P<measure>\b\d+(?:\.\d+)? (?:ms|µs|s|bytes|B|KiB|MiB)\b)",
    ))
    .unwrap();
    let constant = changing.replace_all(text, |found: &Captures<'_>| {
        ["id", "time", "measure"]
            .into_iter()
            .find(|name| found.name(name).is_some())
            .map(|name| format!("<{name}>"))
            .expect("one of them was found")
    });
    constant.into_owned()
}

/// Copies a folder without what is installed or built there.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (name, path) = (entry.file_name(), entry.path());
        if path.is_dir() && name != "node_modules" && name != "dist" {
            copy(&path, &to.join(name));
        } else if path.is_file() {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_compared_by_what_does_not_change() {
        let said = "published hello 1.0.0 in 17 ms\n\n  id 019ab3f0-5d1c-7c51-a2ee-0c51b6f3a2d4\nend  \n";
        assert!(is_as_said(
            "published hello 1.0.0 in 3 ms\n  id 00000000-0000-0000-0000-000000000000\nend\n",
            said
        ));
        assert!(is_as_said("published … 1.0.0 in …\n…\nend\n", said));
        assert!(is_as_said("…\n", said) && is_as_said("…\n", ""));
        assert!(!is_as_said("published hello 1.0.1 in 3 ms\n…\n", said));
        assert!(
            !is_as_said("published …\n", said),
            "a page shows all, or says that there is more"
        );
        assert!(!is_as_said("end\n", said));
    }
}
