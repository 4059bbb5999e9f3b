//! What only a person knows: asked for at the terminal, or read from a pipe. Never from the command line.

use std::io::{IsTerminal, Read, Write, stderr, stdin};

use anyhow::Context;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;

use crate::cli::failure::Failure;

/// Most bytes of a line that is typed or of a secret that comes from a pipe.
const MAX_LINE: usize = 128 << 10;

/// Standard input does not show what is typed until this goes.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> anyhow::Result<Self> {
        let before = tcgetattr(stdin()).context("the terminal's settings can not be read")?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        quiet.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(stdin(), OptionalActions::Flush, &quiet)
            .context("the terminal goes on showing what is typed")?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs no settings.
        let _gone = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}

/// Whether a person can be asked.
pub(super) fn is_possible() -> bool {
    stdin().is_terminal()
}

/// A line that may be seen.
pub(super) fn ask(question: &str) -> anyhow::Result<String> {
    require_terminal(question)?;
    show(question)?;
    line()
}

/// A line that is not shown while it is typed.
pub(super) fn ask_secret(question: &str) -> anyhow::Result<SecretString> {
    require_terminal(question)?;
    show(question)?;
    let hidden = Hidden::begin()?;
    let typed = line();
    drop(hidden);
    Ok(typed?.into())
}

/// All of standard input, without the line's end.
pub(super) fn piped_secret() -> anyhow::Result<SecretString> {
    let text = piped_text(MAX_LINE)?;
    Ok(text.trim_end_matches(['\r', '\n']).into())
}

/// All of standard input.
pub(super) fn piped_text(most: usize) -> anyhow::Result<String> {
    String::from_utf8(piped(most)?).map_err(|_| Failure::usage("standard input is no UTF-8").into())
}

/// All of standard input, as bytes.
pub(super) fn piped(most: usize) -> anyhow::Result<Vec<u8>> {
    read_all(stdin().lock(), most).context("standard input")
}

/// A body as it is given: itself, `@FILE` or `@-`.
pub(super) fn body(given: &str, most: usize) -> anyhow::Result<Vec<u8>> {
    match given.strip_prefix('@') {
        None => Ok(given.as_bytes().to_vec()),
        Some("-") => piped(most),
        Some(name) => {
            let file = std::fs::File::open(name).with_context(|| name.to_owned())?;
            read_all(file, most).with_context(|| name.to_owned())
        }
    }
}

/// Everything, up to a size.
#[expect(
    clippy::disallowed_methods,
    reason = "one byte more than allowed is all that is read"
)]
pub(super) fn read_all(from: impl Read, most: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(Failure::usage(format!("more than {most} bytes")).into());
    }
    Ok(bytes)
}

fn require_terminal(question: &str) -> anyhow::Result<()> {
    if is_possible() {
        return Ok(());
    }
    let message = format!("nobody can be asked for \"{question}\": standard input is no terminal");
    Err(Failure::usage(message)
        .next("give it by an option, or the secret on standard input (see --help)")
        .into())
}

fn show(question: &str) -> anyhow::Result<()> {
    let mut out = stderr().lock();
    write!(out, "{question}: ")?;
    out.flush()?;
    Ok(())
}

/// A terminal gives a line at a time, so that byte by byte is no waste worth speaking of.
fn line() -> anyhow::Result<String> {
    let mut typed = Vec::new();
    let mut input = stdin().lock();
    let mut byte = [0];
    while typed.len() < MAX_LINE && input.read(&mut byte)? == 1 && byte[0] != b'\n' {
        typed.push(byte[0]);
    }
    let typed = String::from_utf8(typed).map_err(|_| Failure::usage("what was typed is no UTF-8"))?;
    Ok(typed.trim_end_matches('\r').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_has_a_cap() {
        assert_eq!(read_all(&b"abc"[..], 3).unwrap(), b"abc");
        assert!(read_all(&b"abcd"[..], 3).unwrap_err().to_string().contains('3'));
    }
}
