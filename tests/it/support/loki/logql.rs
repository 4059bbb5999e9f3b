//! Questions for lines: a selector of streams, and filters of lines.

use regex::Regex;

use super::shelf::{Labels, Refusal};

/// What a label, or a line, has to be like.
#[derive(Debug)]
enum Match {
    Is(String),
    IsNot(String),
    Fits(Regex),
    DoesNotFit(Regex),
}

/// A question as it is understood.
#[derive(Debug)]
pub struct Query {
    matchers: Vec<(String, Match)>,
    filters: Vec<Match>,
}

impl Query {
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut parser = Parser { rest: text };
        let matchers = parser.selector()?;
        let mut filters = Vec::new();
        while !parser.rest.is_empty() {
            filters.push(parser.filter()?);
        }
        // Loki does not look through everything there is.
        let selects = |found: &Match| match found {
            Match::Is(value) => !value.is_empty(),
            Match::Fits(regex) => !regex.is_match(""),
            Match::IsNot(_) | Match::DoesNotFit(_) => false,
        };
        if !matchers.iter().any(|(_, found)| selects(found)) {
            let reason = "parse error : queries require at least one regexp or equality matcher that does not have an \
                          empty-compatible value";
            return Err(Refusal(400, reason.to_owned()));
        }
        Ok(Self { matchers, filters })
    }

    /// Whether this stream is meant. A label that is not there is empty.
    pub fn selects(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|(name, expected)| {
            let value = labels.get(name).map_or("", String::as_str);
            match expected {
                Match::Is(text) => value == text,
                Match::IsNot(text) => value != text,
                Match::Fits(regex) => regex.is_match(value),
                Match::DoesNotFit(regex) => !regex.is_match(value),
            }
        })
    }

    pub fn passes(&self, line: &str) -> bool {
        self.filters.iter().all(|filter| match filter {
            Match::Is(text) => line.contains(text),
            Match::IsNot(text) => !line.contains(text),
            Match::Fits(regex) => regex.is_match(line),
            Match::DoesNotFit(regex) => !regex.is_match(line),
        })
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn selector(&mut self) -> Result<Vec<(String, Match)>, Refusal> {
        self.expect("{")?;
        let mut matchers = Vec::new();
        loop {
            let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(self.unexpected());
            }
            self.skip_to(rest);
            let operator = self.operator(&["=~", "!~", "!=", "="])?;
            let text = self.text()?;
            // A label's expression fits it as a whole.
            let whole = || regex(&format!("^(?:{text})$"));
            let found = match operator {
                "=~" => Match::Fits(whole()?),
                "!~" => Match::DoesNotFit(whole()?),
                "!=" => Match::IsNot(text),
                _ => Match::Is(text),
            };
            matchers.push((name.to_owned(), found));
            if self.operator(&[",", "}"])? == "}" {
                return Ok(matchers);
            }
        }
    }

    fn filter(&mut self) -> Result<Match, Refusal> {
        let operator = self.operator(&["|=", "|~", "!=", "!~"])?;
        let text = self.text()?;
        Ok(match operator {
            "|=" => Match::Is(text),
            "!=" => Match::IsNot(text),
            "|~" => Match::Fits(regex(&text)?),
            _ => Match::DoesNotFit(regex(&text)?),
        })
    }

    /// A text as Go writes it: between quotes with escapes, or between backticks without any.
    fn text(&mut self) -> Result<String, Refusal> {
        if let Some(raw) = self.rest.strip_prefix('`') {
            let end = raw.find('`').ok_or_else(|| self.unexpected())?;
            let text = raw[..end].to_owned();
            let rest = &raw[end + 1..];
            self.skip_to(rest);
            return Ok(text);
        }
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        let (end, _) = end
            .filter(|_| self.rest.starts_with('"'))
            .ok_or_else(|| self.unexpected())?;
        let (literal, rest) = self.rest.split_at(end + 1);
        // What both languages have; Go does not escape a slash.
        let text = serde_json::from_str(literal)
            .ok()
            .filter(|_| !literal.contains("\\/"));
        let text = text.ok_or_else(|| self.unexpected())?;
        self.skip_to(rest);
        Ok(text)
    }

    fn operator(&mut self, operators: &[&'static str]) -> Result<&'static str, Refusal> {
        let found = operators
            .iter()
            .find(|operator| self.rest.starts_with(**operator));
        let found = *found.ok_or_else(|| self.unexpected())?;
        self.expect(found)?;
        Ok(found)
    }

    fn expect(&mut self, token: &str) -> Result<(), Refusal> {
        let rest = self.rest.strip_prefix(token).ok_or_else(|| self.unexpected())?;
        self.rest = rest.trim_start();
        Ok(())
    }

    fn skip_to(&mut self, rest: &str) {
        let skipped = self.rest.len() - rest.trim_start().len();
        self.rest = &self.rest[skipped..];
    }

    fn unexpected(&self) -> Refusal {
        Refusal(
            400,
            format!("parse error : syntax error: unexpected {:?}", self.rest),
        )
    }
}

fn regex(text: &str) -> Result<Regex, Refusal> {
    Regex::new(text).map_err(|error| Refusal(400, format!("parse error : error parsing regexp: {error}")))
}
