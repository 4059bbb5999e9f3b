//! What is not HTTP at all is refused by the parser itself, with a bare status. Here that answer becomes a problem
//! document like every other refusal.

use actix_http::StatusCode;
use jobber_actors::domain::InvocationId;

use super::problem::{Code, Problem};

/// The answer to write instead of the parser's own. `None` if `bare` is something else.
pub(crate) fn rewrite(bare: &[u8]) -> Option<(Code, Vec<u8>)> {
    let head = std::str::from_utf8(bare).ok()?.strip_suffix("\r\n\r\n")?;
    let status: u16 = head
        .strip_prefix("HTTP/1.1 ")
        .or_else(|| head.strip_prefix("HTTP/1.0 "))?
        .get(..3)?
        .parse()
        .ok()?;
    let problem = match StatusCode::from_u16(status).ok()? {
        StatusCode::BAD_REQUEST => Problem::new(
            Code::BadRequest,
            "The request is not HTTP/1.1, or contradicts itself.",
        ),
        StatusCode::REQUEST_TIMEOUT => {
            Problem::new(Code::RequestTimeout, "The request's head did not arrive in time.")
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Problem::new(
            Code::HeadersTooLarge,
            "The header is larger than the server can hold.",
        ),
        _ => return None,
    };
    let code = problem.code();
    let date = head.lines().find(|line| line.starts_with("date: "))?;
    let (invocation, status) = (InvocationId::generate(), code.status());
    let json = problem.json(invocation);
    let mut answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\ncontent-type: application/problem+json\r\n\
         cache-control: no-store\r\nx-jobber-invocation: {invocation}\r\n{date}\r\n\r\n",
        json.len(),
    )
    .into_bytes();
    answer.extend_from_slice(&json);
    Some((code, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_refusal_becomes_a_problem() {
        let bare = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: now\r\n\r\n";
        let (code, answer) = rewrite(bare).expect("is the parser's");
        let answer = String::from_utf8(answer).expect("text");
        assert_eq!(code, Code::BadRequest);
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains("\r\ndate: now\r\n\r\n{")
        );
    }

    #[test]
    fn anything_else_stays_as_it_is() {
        for other in [
            "HTTP/1.1 200 OK\r\ndate: now\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\n\r\nbody",
            "",
            "\u{1}",
        ] {
            assert!(rewrite(other.as_bytes()).is_none(), "{other:?}");
        }
    }
}
