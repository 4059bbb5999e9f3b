//! Where in the text of a JSON document a pointer leads. Pure.

/// Documents that are nested deeper are not looked through.
const MAX_DEPTH: usize = 64;

/// The line of what a pointer names, counted from 1. What is missing is told by what it is missing in. `None` for the empty pointer and for
/// text that is no JSON.
pub(super) fn line_of(text: &str, pointer: &str) -> Option<usize> {
    let names: Vec<String> = pointer
        .strip_prefix('/')?
        .split('/')
        .map(|name| name.replace("~1", "/").replace("~0", "~"))
        .collect();
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        at: 0,
        found: None,
    };
    scanner.value(Some(&names), 0)?;
    let place = scanner.found?;
    Some(
        1 + text.as_bytes()[..place]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count(),
    )
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The deepest place on the way that was met.
    found: Option<usize>,
}

impl Scanner<'_> {
    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        (self.peek()? == expected).then(|| self.at += 1)
    }

    /// Goes over a value. `way` is what is left of the pointer, if the value is on it.
    fn value(&mut self, way: Option<&[String]>, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.peek()? {
            b'{' => self.members(b'}', way, depth, true),
            b'[' => self.members(b']', way, depth, false),
            b'"' => self.string().map(|_| ()),
            _ => {
                let rest = &self.bytes[self.at..];
                let length = rest
                    .iter()
                    .position(|byte| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace());
                let length = length.unwrap_or(rest.len());
                self.at += length;
                // A value that is not there is no JSON, and going on would have no end.
                (length > 0).then_some(())
            }
        }
    }

    fn members(&mut self, close: u8, way: Option<&[String]>, depth: usize, named: bool) -> Option<()> {
        self.at += 1;
        let mut index = 0_usize;
        while self.peek()? != close {
            let begin = self.at;
            let name = if named {
                let name = self.string()?;
                self.take(b':')?;
                name
            } else {
                index.to_string()
            };
            let below = way
                .and_then(|way| way.split_first())
                .filter(|(first, _)| **first == name);
            if below.is_some() {
                self.found = Some(begin);
            }
            self.value(below.map(|(_, rest)| rest), depth + 1)?;
            index += 1;
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        self.take(b'"')?;
        let begin = self.at;
        loop {
            match self.bytes.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        let quoted = self.bytes.get(begin - 1..=self.at)?;
        self.at += 1;
        serde_json::from_slice(quoted).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r#"{
  "name": "a",
  "action": { "memory": "x",
    "runnerMinCount": -1 },
  "triggers": [
    { "type": "http" },
    { "type": "schedule",
      "cr/on": "\"}" }
  ],
  "main": "./index.js"
}"#;

    #[test]
    fn a_pointer_leads_to_a_line() {
        let expected = [
            ("/name", 2),
            ("/action/runnerMinCount", 4),
            ("/triggers/0/type", 6),
            ("/triggers/1", 7),
            ("/triggers/1/cr~1on", 8),
            ("/main", 10),
        ];
        for (pointer, line) in expected {
            assert_eq!(line_of(TEXT, pointer), Some(line), "{pointer}");
        }
    }

    #[test]
    fn what_is_missing_is_told_by_what_is_around_it() {
        assert_eq!(line_of(TEXT, "/triggers/1/timezone"), Some(7));
        assert_eq!(line_of(TEXT, "/version"), None);
        assert_eq!(line_of(TEXT, ""), None);
    }

    proptest! {
        #[test]
        fn any_text_has_an_end(text in r#"[\[\]{}",:a1\\ \n]{0,64}"#, pointer in "(/[a1]){0,3}") {
            let line = line_of(&text, &pointer);
            prop_assert!(line.is_none_or(|line| line <= text.lines().count().max(1)));
        }
    }
}
