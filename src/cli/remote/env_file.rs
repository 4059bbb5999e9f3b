//! Files of variables (`.env`). Pure.

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    pub(super) value: String,
}

/// Reads `NAME=VALUE` lines: with comments, an `export` before them, and quotes around values. In double quotes `\n`, `\r`, `\t`, `\"` and
/// `\\` mean what they usually do, and both kinds of quotes may go over several lines.
///
/// # Errors
/// The line that is none, and why.
pub(super) fn parse(text: &str) -> Result<Vec<Assignment>, String> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let at = |why: &str| format!("line {}: {why}", index + 1);
        // What is at the end may be within quotes.
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, rest) = line.split_once('=').ok_or_else(|| at("has no `=`"))?;
        let name = checked_name(name.trim()).ok_or_else(|| at("is no name of a variable before its `=`"))?;
        let rest = rest.trim_start();
        let value = match rest.chars().next().filter(|first| matches!(first, '"' | '\'')) {
            None => without_comment(rest).to_owned(),
            Some(quote) => {
                let mut quoted = rest[1..].to_owned();
                loop {
                    if let Some(value) = unquoted(&quoted, quote).map_err(|why| at(&why))? {
                        break value;
                    }
                    let (_, more) = lines.next().ok_or_else(|| at("the quotes are not closed"))?;
                    quoted = format!("{quoted}\n{more}");
                }
            }
        };
        found.push(Assignment { name, value });
    }
    Ok(found)
}

/// The name as the server keeps it, if it is one.
pub(super) fn checked_name(name: &str) -> Option<String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!name.is_empty() && name.bytes().all(is_part)).then(|| name.to_ascii_uppercase())
}

fn without_comment(value: &str) -> &str {
    value.find(" #").map_or(value, |at| &value[..at]).trim_end()
}

/// What is before the closing quote; `None` if there is none yet.
fn unquoted(text: &str, quote: char) -> Result<Option<String>, String> {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if quote == '"' => match characters.next() {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some(other @ ('"' | '\\' | '$')) => value.push(other),
                Some(other) => value.extend(['\\', other]),
                None => return Ok(None),
            },
            character if character == quote => {
                let rest = characters.as_str().trim();
                if rest.is_empty() || rest.starts_with('#') {
                    return Ok(Some(value));
                }
                return Err("there is something behind the closing quote".to_owned());
            }
            character => value.push(character),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let found = parse(text).unwrap();
        found.into_iter().map(|found| (found.name, found.value)).collect()
    }

    #[test]
    fn files_of_variables_are_read_as_elsewhere() {
        let text = "# a comment\n\nA=1\nexport b = two words # why\nC='sin#gle $A'\nD=\"a\\nb \\\"q\\\"\" # end\nE=\nF=\"one\ntwo\"\nG=a#b\n";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "sin#gle $A"),
            ("D", "a\nb \"q\""),
            ("E", ""),
            ("F", "one\ntwo"),
            ("G", "a#b"),
        ];
        let expected: Vec<_> = expected
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(pairs(text), expected);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line_without_the_value() {
        for (text, line) in [
            ("A=1\nno", 2),
            ("A-B=secret", 1),
            ("\nA='secret", 2),
            ("A='x' secret", 1),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("line {line}:")), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,64}") {
            let _either = parse(&text);
        }

        #[test]
        fn a_value_in_double_quotes_comes_back(value in "[^\\x00\\r]{0,32}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert_eq!(pairs(&format!("A=\"{quoted}\"")), vec![("A".to_owned(), value)]);
        }
    }
}
