//! Server-sent events, as much of them as the log's tail uses: `id` and `data`.

/// Most bytes of one event.
const MAX_EVENT: usize = 1 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its id, if it has one.
    pub(super) id: Option<String>,
    /// Its data; lines are joined.
    pub(super) data: String,
}

/// What does not look like events.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SseError {
    #[error("an event has more than {MAX_EVENT} bytes")]
    TooLarge,
    #[error("an event is no UTF-8")]
    Encoding,
}

/// Makes events of the pieces in which they come.
#[derive(Debug, Default)]
pub(super) struct Parser {
    rest: Vec<u8>,
    event: Event,
    has_data: bool,
}

impl Parser {
    /// Takes a piece, and gives the events that are whole now.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<Vec<Event>, SseError> {
        self.rest.extend_from_slice(piece);
        let mut events = Vec::new();
        let mut begin = 0;
        while let Some(length) = self.rest[begin..].iter().position(|byte| *byte == b'\n') {
            let line = self.rest[begin..begin + length].to_vec();
            begin += length + 1;
            let line = String::from_utf8(line).map_err(|_| SseError::Encoding)?;
            events.extend(self.line(line.strip_suffix('\r').unwrap_or(&line)));
        }
        self.rest.drain(..begin);
        if self.rest.len() + self.event.data.len() > MAX_EVENT {
            return Err(SseError::TooLarge);
        }
        Ok(events)
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        // A line that begins with a colon is a comment: its field has no name.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &[u8] =
        ": a comment\n\nid: 1\ndata: a\ndata: b\n\nretry: 5\r\nid:2\r\ndata:ü\r\n\r\nid: 3\ndata: half"
            .as_bytes();

    fn event(id: &str, data: &str) -> Event {
        Event {
            id: Some(id.into()),
            data: data.into(),
        }
    }

    proptest! {
        #[test]
        fn events_are_the_same_in_whatever_pieces_they_come(cuts in proptest::collection::vec(0..STREAM.len(), 0..8)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for pair in cuts.windows(2) {
                events.extend(parser.feed(&STREAM[pair[0]..pair[1]]).unwrap());
            }
            prop_assert_eq!(events, vec![event("1", "a\nb"), event("2", "ü")]);
        }
    }

    #[test]
    fn what_never_ends_is_refused() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(&vec![b'a'; MAX_EVENT + 1]), Err(SseError::TooLarge));
        let mut parser = Parser::default();
        let line = [b"data: ".as_slice(), &vec![b'a'; MAX_EVENT / 2], b"\n"].concat();
        assert_eq!(parser.feed(&line), Ok(vec![]));
        assert_eq!(parser.feed(&line), Err(SseError::TooLarge));
    }
}
