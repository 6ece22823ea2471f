//! Path templates, by the grammar in `google/api/http.proto`:
//!
//! ```text
//! Template  = "/" Segments [ Verb ] ;
//! Segments  = Segment { "/" Segment } ;
//! Segment   = "*" | "**" | LITERAL | Variable ;
//! Variable  = "{" FieldPath [ "=" Segments ] "}" ;
//! FieldPath = IDENT { "." IDENT } ;
//! Verb      = ":" LITERAL ;
//! ```

use std::fmt;
use std::ops::Range;

/// A path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) segments: Vec<Segment>,
    pub(crate) variables: Vec<Variable>,
    pub(crate) verb: Option<String>,
}

/// What one segment of a path has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    /// `*`: any one that is not empty.
    Any,
    /// `**`: all the rest, be it nothing.
    Rest,
}

/// A part of the path that becomes a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// `["user", "id"]` of `{user.id}`.
    pub(crate) field: Vec<String>,
    /// Which segments it is made of; the end is `usize::MAX` for all the rest.
    pub(crate) segments: Range<usize>,
    /// Whether it may be more than one segment. Then a slash that is encoded stays so, since it
    /// would not be the same as one between segments.
    pub(crate) is_path: bool,
}

/// A template that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateError {
    /// In bytes, from the beginning.
    pub(crate) at: usize,
    pub(crate) problem: &'static str,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.problem, self.at)
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Where it is not one, and why.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parser = Parser { text, at: 0 };
        let mut template = Self {
            segments: Vec::new(),
            variables: Vec::new(),
            verb: None,
        };
        parser.expect('/', "a template begins with `/`")?;
        loop {
            parser.segment(&mut template)?;
            if !parser.take('/') {
                break;
            }
        }
        if parser.take(':') {
            template.verb = Some(parser.literal("a verb is missing")?.to_owned());
        }
        if parser.at < text.len() {
            return Err(parser.error("nothing more is expected"));
        }
        let rest = template.segments.iter().position(|it| *it == Segment::Rest);
        if rest.is_some_and(|at| at + 1 < template.segments.len()) {
            return Err(parser.error("`**` must be the last segment"));
        }
        Ok(template)
    }
}

/// The template back, with a `*` for what a variable holds by default.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut at = 0;
        while at < self.segments.len() {
            f.write_str("/")?;
            match self.variables.iter().find(|it| it.segments.start == at) {
                Some(variable) => {
                    write!(f, "{{{}=", variable.field.join("."))?;
                    let mut separator = "";
                    let end = variable.segments.end.min(self.segments.len());
                    for segment in &self.segments[at..end] {
                        write!(f, "{separator}{segment}")?;
                        separator = "/";
                    }
                    f.write_str("}")?;
                    at = end;
                }
                None => {
                    write!(f, "{}", self.segments[at])?;
                    at += 1;
                }
            }
        }
        match &self.verb {
            Some(verb) => write!(f, ":{verb}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Literal(literal) => literal,
            Self::Any => "*",
            Self::Rest => "**",
        })
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, problem: &'static str) -> TemplateError {
        TemplateError {
            at: self.at,
            problem,
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.text[self.at..].starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char, problem: &'static str) -> Result<(), TemplateError> {
        match self.take(wanted) {
            true => Ok(()),
            false => Err(self.error(problem)),
        }
    }

    fn segment(&mut self, template: &mut Template) -> Result<(), TemplateError> {
        if self.take('{') {
            return self.variable(template);
        }
        let segment = self.plain_segment()?;
        template.segments.push(segment);
        Ok(())
    }

    fn plain_segment(&mut self) -> Result<Segment, TemplateError> {
        if self.take('*') {
            return Ok(match self.take('*') {
                true => Segment::Rest,
                false => Segment::Any,
            });
        }
        if self.text[self.at..].starts_with('{') {
            return Err(self.error("a variable cannot hold another"));
        }
        let literal = self.literal("a segment is empty")?;
        Ok(Segment::Literal(literal.to_owned()))
    }

    fn variable(&mut self, template: &mut Template) -> Result<(), TemplateError> {
        let mut field = vec![self.identifier()?];
        while self.take('.') {
            field.push(self.identifier()?);
        }
        let start = template.segments.len();
        if self.take('=') {
            loop {
                let segment = self.plain_segment()?;
                template.segments.push(segment);
                if !self.take('/') {
                    break;
                }
            }
        } else {
            template.segments.push(Segment::Any);
        }
        self.expect('}', "a variable ends with `}`")?;
        if template.variables.iter().any(|it| it.field == field) {
            return Err(self.error("a field is bound twice"));
        }
        let own = &template.segments[start..];
        let end = match own.last() {
            Some(Segment::Rest) => usize::MAX,
            _ => template.segments.len(),
        };
        template.variables.push(Variable {
            field,
            is_path: *own != [Segment::Any],
            segments: start..end,
        });
        Ok(())
    }

    fn identifier(&mut self) -> Result<String, TemplateError> {
        let rest = &self.text[self.at..];
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if length == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.error("the name of a field is missing"));
        }
        self.at += length;
        Ok(rest[..length].to_owned())
    }

    fn literal(&mut self, problem: &'static str) -> Result<&'a str, TemplateError> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| "/{}*:=".contains(c)).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.error(problem));
        }
        self.at += length;
        Ok(&rest[..length])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_read_back_as_they_are_written() {
        for (text, written) in [
            ("/v1/messages/{message_id}", "/v1/messages/{message_id=*}"),
            ("/v1/{name=messages/*}", "/v1/{name=messages/*}"),
            (
                "/v1/{name=shelves/*/books/**}:read",
                "/v1/{name=shelves/*/books/**}:read",
            ),
            ("/v1/users/{user.id}/m/{m}", "/v1/users/{user.id=*}/m/{m=*}"),
            ("/v1/*/x/**", "/v1/*/x/**"),
            ("/v1:watch", "/v1:watch"),
            ("/a.b-c_d~e/1", "/a.b-c_d~e/1"),
        ] {
            let template = Template::parse(text).expect(text);
            assert_eq!(template.to_string(), written);
        }
    }

    #[test]
    fn a_variable_knows_its_segments() {
        let template = Template::parse("/v1/{name=shelves/*}/{id}").expect("a template");
        let variable = |field: &str, segments, is_path| Variable {
            field: vec![field.to_owned()],
            segments,
            is_path,
        };
        assert_eq!(
            template.variables,
            [variable("name", 1..3, true), variable("id", 3..4, false)]
        );
    }

    #[test]
    fn what_is_no_template_is_refused_with_the_place() {
        let error = |text: &str| Template::parse(text).expect_err(text).to_string();
        for (text, expected) in [
            ("", "a template begins with `/` at byte 0"),
            ("v1", "a template begins with `/` at byte 0"),
            ("/", "a segment is empty at byte 1"),
            ("/v1/", "a segment is empty at byte 4"),
            ("/v1//a", "a segment is empty at byte 4"),
            ("/v1/{}", "the name of a field is missing at byte 5"),
            ("/v1/{1a}", "the name of a field is missing at byte 5"),
            ("/v1/{a.}", "the name of a field is missing at byte 7"),
            ("/v1/{a", "a variable ends with `}` at byte 6"),
            ("/v1/{a={b}}", "a variable cannot hold another at byte 7"),
            ("/v1/{a=}", "a segment is empty at byte 7"),
            ("/v1/{a}/{a}", "a field is bound twice at byte 11"),
            ("/v1/**/a", "`**` must be the last segment at byte 8"),
            ("/v1/{a=**}/b", "`**` must be the last segment at byte 12"),
            ("/v1/a*", "nothing more is expected at byte 5"),
            ("/v1/***", "nothing more is expected at byte 6"),
            ("/v1:", "a verb is missing at byte 4"),
            ("/v1:a:b", "nothing more is expected at byte 5"),
            ("/v1:a/b", "nothing more is expected at byte 5"),
        ] {
            assert_eq!(error(text), expected, "{text}");
        }
    }
}
