//! From statements to text.

use crate::proto::format::comments;
use crate::proto::format::lex::{Comment, Token};
use crate::proto::format::order::{self, Section};
use crate::proto::format::spacing;
use crate::proto::format::tree::{Block, Part, Statement, StatementEnd, Tree};

/// How far a level is indented.
const INDENT: &str = "  ";

/// Writes a file.
pub fn print(tree: &Tree<'_>) -> String {
    let mut printer = Printer::default();
    let mut section_before = None;
    for statement in &tree.statements {
        let section = order::section(statement);
        let is_same = section_before == Some(section);
        let blank = match section {
            Section::Imports | Section::Options => Some(!is_same && section_before.is_some()),
            _ => None,
        };
        printer.statement(statement, section_before.is_none(), blank);
        section_before = Some(section);
    }
    printer.comments(&tree.end.leading, tree.statements.is_empty());
    printer.out
}

/// Text that grows, and where it stands.
#[derive(Default)]
pub struct Printer {
    pub(super) out: String,
    level: usize,
    /// Whether a statement goes on in another line.
    continues: bool,
}

impl Printer {
    fn is_fresh(&self) -> bool {
        self.out.is_empty() || self.out.ends_with('\n')
    }

    /// Ends the line, unless nothing is in it.
    pub(super) fn newline(&mut self) {
        if !self.is_fresh() {
            self.out.push('\n');
        }
    }

    /// Leaves a line empty.
    fn blank_line(&mut self) {
        self.newline();
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn indentation(&mut self) {
        for _ in 0..self.level + usize::from(self.continues) {
            self.out.push_str(INDENT);
        }
    }

    /// Writes a text, after a space unless the line begins with it.
    pub(super) fn put(&mut self, text: &str, is_apart: bool) {
        if self.is_fresh() {
            self.indentation();
        } else if is_apart {
            self.out.push(' ');
        }
        self.out.push_str(text);
    }

    /// Writes what ends something, as far to the left as the line that this began in.
    pub(super) fn close(&mut self, text: &str) {
        let continued = std::mem::take(&mut self.continues);
        self.put(text, false);
        self.continues = continued;
    }

    /// Writes what is a level deeper, in lines of its own.
    pub(super) fn deeper(&mut self, write: impl FnOnce(&mut Self)) {
        let continued = std::mem::take(&mut self.continues);
        self.newline();
        self.level += 1;
        write(self);
        self.newline();
        self.level -= 1;
        self.continues = continued;
    }

    fn comment(&mut self, comment: &Comment<'_>) {
        let lines = comments::lines(comment.text);
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                self.out.push('\n');
            }
            if !line.is_empty() {
                self.put(line, true);
            }
        }
    }

    /// Writes comments in lines of their own.
    pub(super) fn comments(&mut self, comments: &[Comment<'_>], is_first: bool) {
        for (index, comment) in comments.iter().enumerate() {
            self.newline();
            if comment.newlines_before > 1 && !(is_first && index == 0) {
                self.blank_line();
            }
            self.comment(comment);
            self.newline();
        }
    }

    /// Writes comments behind something, in its line.
    pub(super) fn trailing(&mut self, comments: &[Comment<'_>]) {
        for comment in comments {
            self.comment(comment);
            if comment.is_line() {
                self.newline();
            }
        }
    }

    /// Writes a token with the comments before it.
    pub(super) fn token(&mut self, token: &Token<'_>, is_apart: bool) {
        for comment in &token.leading {
            let is_own_line = comment.is_line() || comment.text.contains('\n');
            if is_own_line && comment.newlines_before > 0 {
                self.newline();
            }
            self.comment(comment);
            if is_own_line {
                self.newline();
            }
        }
        let is_end = matches!(token.text, ";" | "," | ")" | "]");
        self.put(
            token.text,
            is_apart || (!token.leading.is_empty() && !is_end),
        );
    }

    /// Writes the comments and the blank line before something that begins a line.
    pub(super) fn before(&mut self, token: &Token<'_>, is_first: bool, blank: Option<bool>) {
        self.newline();
        let gap = match token.leading.first() {
            Some(comment) => comment.newlines_before,
            None => token.newlines_before,
        };
        if blank.unwrap_or(gap > 1 && !is_first) {
            self.blank_line();
        }
        self.comments(&token.leading, true);
        if !token.leading.is_empty() && token.newlines_before > 1 {
            self.blank_line();
        }
    }

    fn statement(&mut self, statement: &Statement<'_>, is_first: bool, blank: Option<bool>) {
        let first = statement.first();
        self.before(first, is_first, blank);
        if statement.parts.is_empty() {
            // An empty statement: only its comments are left.
            if let StatementEnd::Semicolon(semicolon) = &statement.end {
                self.comments(&semicolon.trailing, true);
            }
            return;
        }
        self.head(statement);
        match &statement.end {
            StatementEnd::Semicolon(semicolon) => {
                self.continues = true;
                self.token(semicolon, false);
                self.continues = false;
                self.trailing(&semicolon.trailing);
            }
            StatementEnd::Block(block) => self.block(block),
        }
        self.newline();
    }

    fn head(&mut self, statement: &Statement<'_>) {
        let mut tokens: Vec<&Token<'_>> = Vec::new();
        for (index, part) in statement.parts.iter().enumerate() {
            match part {
                Part::Token(token) => {
                    tokens.push(token);
                    if is_of_several_texts(&statement.parts, index) {
                        self.continues = true;
                        self.newline();
                    }
                    match index {
                        0 => self.put(token.text, false),
                        _ => self.token(token, spacing::is_apart(&tokens)),
                    }
                    self.continues = true;
                    self.trailing(&token.trailing);
                }
                Part::Options(group) => self.options(group),
                Part::Message(group) => self.message(group),
                Part::List(group) => self.list(group),
            }
            self.continues = true;
        }
        self.continues = false;
    }

    fn block(&mut self, block: &Block<'_>) {
        self.continues = true;
        self.token(&block.open, true);
        self.continues = false;
        let is_empty = block.statements.is_empty();
        if is_empty && block.close.leading.is_empty() && block.open.trailing.is_empty() {
            self.out.push('}');
        } else {
            if !is_empty {
                self.trailing(&block.open.trailing);
            }
            self.deeper(|inner| {
                if is_empty {
                    inner.comments(&block.open.trailing, true);
                }
                for (index, statement) in block.statements.iter().enumerate() {
                    inner.statement(statement, index == 0, None);
                }
                let is_first = is_empty && block.open.trailing.is_empty();
                inner.comments(&block.close.leading, is_first);
            });
            self.close("}");
        }
        self.trailing(&block.close.trailing);
    }
}

/// Whether a part is one of several texts that are one value, each of which gets a line.
fn is_of_several_texts(parts: &[Part<'_>], index: usize) -> bool {
    use crate::proto::format::lex::Kind;
    let is_text = |part: Option<&Part<'_>>| matches!(part, Some(Part::Token(token)) if token.kind == Kind::Text);
    let before = index.checked_sub(1).and_then(|it| parts.get(it));
    is_text(parts.get(index)) && (is_text(before) || is_text(parts.get(index + 1)))
}
