//! Reads a page of the documentation: its blocks of code, and what the remarks before them say to do with them.
//!
//! Blocks are done in their order, in an empty folder:
//!
//! | block | what is done |
//! |---|---|
//! | `sh` | it runs, in one shell for all of the page; a command that fails is a fault of the page |
//! | `console` | lines that begin with `$ ` run; what follows each is its output |
//! | `text` | the output of the block before. `…` stands for anything, on a line of its own for any lines; ids, times and sizes may differ |
//! | `json`, `yaml`, `toml` | it has to be valid; a manifest has to be one that would be published |
//! | `js`, `ts`, and others with a name | is written to the file that the remark names, for the commands that follow |
//!
//! Remarks are comments of HTML, which readers do not see:
//!
//! | remark | |
//! |---|---|
//! | `run: …` | these commands run, too |
//! | `instead: …` | these commands run, and not those of the next block, because it asks a person |
//! | `background` | the next block goes on while the others run |
//! | `file: NAME` | the next block is this file |
//! | `file: NAME in: … ` | the same, the block standing where the `…` is |
//! | `not run: WHY` | nothing is done with the next block |

use std::collections::VecDeque;

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Commands that the page shows.
    Shown {
        line: usize,
        script: String,
        background: bool,
    },
    /// Commands that it does not show.
    Hidden { line: usize, script: String },
    /// What the commands before have printed.
    Printed { line: usize, text: String },
    /// A file.
    Write { line: usize, name: String, text: String },
    /// A document that is only looked at.
    Check {
        line: usize,
        language: String,
        text: String,
    },
    /// Nothing, for this reason.
    Nothing { line: usize, reason: String },
}

#[derive(Debug, Default)]
struct Remarks {
    instead: Option<String>,
    background: bool,
    file: Option<(String, Option<String>)>,
    not_run: Option<String>,
}

/// The steps of a page.
///
/// # Errors
/// A line and what is wrong with the page there.
pub fn steps(page: &str) -> Result<Vec<Step>, String> {
    let mut lines: VecDeque<(usize, &str)> = page
        .lines()
        .enumerate()
        .map(|(at, text)| (at + 1, text))
        .collect();
    let (mut steps, mut remarks) = (Vec::new(), Remarks::default());
    while let Some((line, text)) = lines.pop_front() {
        let indent = text.len() - text.trim_start().len();
        if let Some(language) = text.trim_start().strip_prefix("```") {
            let body =
                block(&mut lines, indent).ok_or_else(|| format!("line {line}: the block has no end"))?;
            let todo = todo(line, language.trim(), body, std::mem::take(&mut remarks));
            steps.extend(todo.map_err(|error| format!("line {line}: {error}"))?);
        } else if let Some(comment) = text.trim_start().strip_prefix("<!--") {
            let comment = whole_comment(comment, &mut lines);
            let comment = comment.ok_or_else(|| format!("line {line}: the comment has no end"))?;
            let hidden = remark(&comment, &mut remarks).map_err(|error| format!("line {line}: {error}"))?;
            steps.extend(hidden.map(|script| Step::Hidden { line, script }));
        }
    }
    Ok(steps)
}

/// The lines up to the end of a block, without what they are indented by.
fn block(lines: &mut VecDeque<(usize, &str)>, indent: usize) -> Option<String> {
    let mut body = String::new();
    loop {
        let (_, text) = lines.pop_front()?;
        if text.trim() == "```" {
            return Some(body);
        }
        body += text.get(indent..).unwrap_or_default();
        body.push('\n');
    }
}

fn whole_comment(begin: &str, lines: &mut VecDeque<(usize, &str)>) -> Option<String> {
    let mut comment = begin.to_owned();
    loop {
        if let Some(whole) = comment.strip_suffix("-->") {
            return Some(whole.trim().to_owned());
        }
        comment.push('\n');
        comment += lines.pop_front()?.1.trim_end();
    }
}

/// Notes a remark for the next block. Gives the commands of one that stands for itself.
fn remark(comment: &str, remarks: &mut Remarks) -> Result<Option<String>, String> {
    let (name, value) = comment.split_once(':').unwrap_or((comment, ""));
    let value = value.trim().to_owned();
    match name.trim() {
        "run" => return Ok(Some(value)),
        "background" => remarks.background = true,
        "instead" => remarks.instead = Some(value),
        "not run" if !value.is_empty() => remarks.not_run = Some(value),
        "file" => {
            remarks.file = Some(match value.split_once(" in:") {
                Some((name, around)) if around.contains('…') => {
                    (name.to_owned(), Some(around.trim().to_owned()))
                }
                Some(_) => return Err("`in:` needs a … where the block stands".to_owned()),
                None => (value, None),
            });
        }
        _ => return Err(format!("{comment:?} is no remark")),
    }
    Ok(None)
}

fn todo(line: usize, language: &str, text: String, remarks: Remarks) -> Result<Vec<Step>, String> {
    let Remarks {
        instead,
        background,
        file,
        not_run,
    } = remarks;
    if let Some(reason) = not_run {
        return Ok(vec![Step::Nothing { line, reason }]);
    }
    if let Some((name, around)) = file {
        let text = match around {
            Some(around) => around.replacen('…', &text, 1),
            None => text,
        };
        return Ok(vec![Step::Write { line, name, text }]);
    }
    Ok(match language {
        "sh" => {
            let script = instead.unwrap_or(text);
            vec![Step::Shown {
                line,
                script,
                background,
            }]
        }
        "console" => console(line, &text)?,
        "text" => vec![Step::Printed { line, text }],
        "json" | "yaml" | "toml" | "js" => vec![Step::Check {
            line,
            language: language.to_owned(),
            text,
        }],
        _ => return Err(format!("what is to be done with a block of {language:?}?")),
    })
}

/// Commands and what each prints.
fn console(line: usize, text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut printed = String::new();
    let mut at = line;
    let end = |at: usize, printed: &mut String, steps: &mut Vec<Step>| {
        if !printed.trim().is_empty() {
            steps.push(Step::Printed {
                line: at,
                text: std::mem::take(printed),
            });
        }
    };
    let mut lines = text.lines().zip(line + 1..);
    while let Some((text, number)) = lines.next() {
        let Some(command) = text.strip_prefix("$ ") else {
            printed += text;
            printed.push('\n');
            continue;
        };
        end(at, &mut printed, &mut steps);
        at = number;
        let mut script = command.to_owned();
        while script.ends_with('\\') {
            let (more, _) = lines.next().ok_or("the last command is not complete")?;
            script.push('\n');
            script += more;
        }
        steps.push(Step::Shown {
            line: number,
            script,
            background: false,
        });
    }
    end(at, &mut printed, &mut steps);
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: usize, script: &str) -> Step {
        Step::Shown {
            line,
            script: script.to_owned(),
            background: false,
        }
    }

    #[test]
    fn blocks_are_done_in_order_and_remarks_count_for_the_next_one() {
        let page = "# Title\n\n<!-- file: a/b.js in: before(…); -->\n```js\nx\n```\ntext\n\n<!-- run:\nsetup\nmore -->\n```sh\nmake\n```\n- in a list\n\n  ```text\n  made\n    deep\n  ```\n";
        let expected = [
            Step::Write {
                line: 4,
                name: "a/b.js".into(),
                text: "before(x\n);".into(),
            },
            Step::Hidden {
                line: 9,
                script: "setup\nmore".into(),
            },
            shown(12, "make\n"),
            Step::Printed {
                line: 17,
                text: "made\n  deep\n".into(),
            },
        ];
        assert_eq!(steps(page).unwrap(), expected);
    }

    #[test]
    fn a_console_has_commands_and_what_they_print() {
        let page = "```console\n$ one \\\n  more\n1\n2\n$ two\n```\n";
        let expected = [
            shown(2, "one \\\n  more"),
            Step::Printed {
                line: 2,
                text: "1\n2\n".into(),
            },
            shown(6, "two"),
        ];
        assert_eq!(steps(page).unwrap(), expected);
    }

    #[test]
    fn what_nobody_would_notice_is_an_error() {
        for (page, words) in [
            ("```\nx\n```\n", "block of \"\""),
            ("```rust\nx\n```\n", "block of \"rust\""),
            ("```ts\nx\n```\n", "block of \"ts\""),
            ("```sh\nx\n", "no end"),
            ("<!-- file: x", "no end"),
            ("<!-- notrun: x -->", "no remark"),
            ("<!-- not run -->", "no remark"),
            ("<!-- file: x in: y -->", "needs a …"),
        ] {
            let error = steps(page).unwrap_err();
            assert!(error.contains(words), "{page}: {error}");
        }
    }
}
