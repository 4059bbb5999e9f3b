//! What commands write: answers on standard output, notes on standard error.

use std::io::{IsTerminal, Write, stderr, stdout};

use anstyle::{AnsiColor, Color, Style};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::text::printable;

/// How answers are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// As JSON, for programs.
    pub(super) json: bool,
    /// With colours: on a terminal whose user does not say otherwise.
    pub(super) colour: bool,
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Warning,
    Bad,
    Quiet,
}

impl Tone {
    fn style(self) -> Style {
        let coloured = |colour| Style::new().fg_color(Some(Color::Ansi(colour)));
        match self {
            Self::Good => coloured(AnsiColor::Green),
            Self::Warning => coloured(AnsiColor::Yellow),
            Self::Bad => coloured(AnsiColor::Red),
            Self::Quiet => Style::new().dimmed(),
        }
    }
}

impl Output {
    /// As this process's standard output and `NO_COLOR` ask for.
    pub(super) fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            json,
            colour: !json && wanted && stdout().is_terminal(),
        }
    }

    /// The text in a colour, if there are colours.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let style = tone.style();
        format!("{style}{text}{style:#}")
    }

    /// The one document of a command that was asked for JSON, or what `human` writes.
    pub(super) fn answer<T: Serialize + ?Sized>(
        self,
        document: &T,
        human: impl FnOnce() -> anyhow::Result<String>,
    ) -> anyhow::Result<()> {
        let mut text = if self.json {
            serde_json::to_string_pretty(document)?
        } else {
            human()?
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        self.write(&text)
    }

    /// Text as it is, at once.
    #[expect(clippy::unused_self, reason = "whoever writes answers has been told how")]
    pub(super) fn write(self, text: &str) -> anyhow::Result<()> {
        let mut out = stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }
}

/// A line for the person at the terminal, which is no part of the answer.
pub(super) fn note(text: &str) {
    // Nobody is left to be told of a standard error that takes nothing.
    let _closed = writeln!(stderr().lock(), "{text}");
}

/// Aligned columns under their names. What came from outside can not steer the terminal.
pub(super) fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell, false)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_text() {
        let rows = [
            vec!["a".to_owned(), "1".to_owned()],
            vec!["longer".to_owned(), "2".to_owned()],
        ];
        assert_eq!(table(&["NAME", "N"], rows), "NAME    N\na       1\nlonger  2");
    }

    #[test]
    fn a_cell_can_not_steer_the_terminal() {
        let shown = table(&["NAME"], [vec!["a\u{1b}[2Jb\nc".to_owned()]]);
        assert_eq!(shown, "NAME\na\\u{1b}[2Jb\\nc");
    }

    #[test]
    fn there_are_colours_only_where_they_are_wanted() {
        let plain = Output {
            json: false,
            colour: false,
        };
        assert_eq!(plain.paint(Tone::Bad, "no"), "no");
        let coloured = Output {
            json: false,
            colour: true,
        };
        assert_eq!(coloured.paint(Tone::Bad, "no"), "\u{1b}[31mno\u{1b}[0m");
    }
}
