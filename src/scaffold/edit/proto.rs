//! Adding a method to the service of a proto.

use crate::proto::tokens::{Token, tokens};
use crate::scaffold::edit::Obstacle;

/// A method that is to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMethod<'a> {
    /// Its service, without the package.
    pub service: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Whether the client sends a stream.
    pub client_streaming: bool,
    /// Whether the server sends a stream.
    pub server_streaming: bool,
}

impl NewMethod<'_> {
    /// The messages that it takes and returns.
    pub fn messages(&self) -> [String; 2] {
        ["Request", "Response"].map(|end| format!("{}{end}", self.name))
    }

    fn line(&self) -> String {
        let [request, response] = self.messages();
        let stream = |is_stream| if is_stream { "stream " } else { "" };
        format!(
            "rpc {}({}{request}) returns ({}{response});",
            self.name,
            stream(self.client_streaming),
            stream(self.server_streaming),
        )
    }
}

/// Adds a method at the end of its service, and messages at the end of the file.
///
/// # Errors
/// When the service is not found in the text.
pub fn with_method(
    text: &str,
    method: &NewMethod<'_>,
    new_messages: &[String],
) -> Result<String, Obstacle> {
    let brace = closing_brace(text, method.service).ok_or_else(|| {
        Obstacle::new(
            format!("no `service {}` is found", method.service),
            method.line(),
        )
    })?;
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let line_start = text[..brace].rfind('\n').map_or(0, |at| at + 1);
    let before = &text[line_start..brace];
    let indent: &str = &before[..before.len() - before.trim_start().len()];
    let line = method.line();
    let (at, inserted) = match before.trim().is_empty() {
        true => (line_start, format!("{indent}  {line}{newline}")),
        // Something stands before the brace on its line, as in `service A {}`.
        false => (brace, format!("{newline}{indent}  {line}{newline}{indent}")),
    };
    let mut edited = format!("{}{inserted}{}", &text[..at], &text[at..]);
    for message in new_messages {
        if !edited.ends_with('\n') {
            edited.push_str(newline);
        }
        edited.push_str(&format!("{newline}message {message} {{}}{newline}"));
    }
    Ok(edited)
}

/// Where the block of a service ends.
fn closing_brace(text: &str, service: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut previous = ["", ""];
    let mut is_inside = false;
    for Token { start, text: token } in tokens(text) {
        match token {
            "{" => {
                is_inside |= depth == 0 && previous == ["service", service];
                depth += 1;
            }
            "}" => {
                depth = depth.saturating_sub(1);
                if is_inside && depth == 0 {
                    return Some(start);
                }
            }
            _ => {}
        }
        previous = [previous[1], token];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: NewMethod<'_> = NewMethod {
        service: "B",
        name: "Ping",
        client_streaming: false,
        server_streaming: true,
    };

    #[test]
    fn a_method_comes_last_in_its_service_and_every_other_byte_stays() {
        let text = "service A {}\n// service B {\nservice B {\n  // one\n  rpc X(Y) returns (Z) {\n    \
                    option deprecated = true;\n  }\n  // after all\n}\nmessage Y {}";
        let edited = with_method(text, &PING, &PING.messages()).expect("found");
        let line = "  rpc Ping(PingRequest) returns (stream PingResponse);\n";
        assert_eq!(
            edited,
            text.replace("all\n}", &format!("all\n{line}}}"))
                + "\n\nmessage PingRequest {}\n\nmessage PingResponse {}\n"
        );
    }

    #[test]
    fn a_service_on_one_line_is_opened_and_line_ends_are_kept() {
        let edited = with_method("service B {}\r\n", &PING, &[]).expect("found");
        assert_eq!(
            edited,
            "service B {\r\n  rpc Ping(PingRequest) returns (stream PingResponse);\r\n}\r\n"
        );
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_to_add() {
        let obstacle = with_method("service A {}", &PING, &[]).expect_err("not there");
        assert_eq!(
            obstacle,
            Obstacle::new(
                "no `service B` is found",
                "rpc Ping(PingRequest) returns (stream PingResponse);"
            )
        );
    }
}
