//! How values are laid out: what is short in the line, what has several parts in lines of its own.

use crate::proto::format::lex::{Comment, Kind, Token};
use crate::proto::format::print::Printer;
use crate::proto::format::tree::{Entry, Group, Part};

impl Printer {
    /// Writes options in brackets: one in the line, several in lines of their own.
    pub(super) fn options(&mut self, group: &Group<'_, Entry<'_>>) {
        self.token(&group.open, true);
        let is_in_line = |comment: &Comment<'_>| {
            comment.newlines_before == 0 && !comment.is_line() && !comment.text.contains('\n')
        };
        let is_inline = group.items.len() <= 1
            && group.open.trailing.is_empty()
            && group.close.leading.iter().all(is_in_line)
            && group.items.iter().all(|(entry, separator)| {
                entry_has_no_comments(entry) && separator.as_ref().is_none_or(is_bare)
            });
        if is_inline {
            for (entry, _) in &group.items {
                self.entry(entry, false);
            }
            self.token(&group.close, false);
        } else {
            self.trailing(&group.open.trailing);
            self.deeper(|inner| {
                let count = group.items.len();
                for (index, (entry, separator)) in group.items.iter().enumerate() {
                    inner.comments(&entry_leading(entry), true);
                    let held = inner.entry(entry, true);
                    if index + 1 < count {
                        inner.put(",", false);
                    }
                    inner.behind(held, separator.as_ref());
                }
                inner.comments(&group.close.leading, false);
            });
            self.close("]");
        }
        self.trailing(&group.close.trailing);
    }

    /// Writes a message as a value.
    pub(super) fn message(&mut self, group: &Group<'_, Entry<'_>>) {
        let held = self.held_message(group);
        self.trailing(held);
    }

    /// The same without the comments behind it, which are handed back.
    fn held_message<'t, 'a>(&mut self, group: &'t Group<'a, Entry<'a>>) -> &'t [Comment<'a>] {
        for comment in &group.open.leading {
            self.trailing(std::slice::from_ref(comment));
        }
        self.put("{", true);
        if is_inline_message(group) {
            for (entry, _) in &group.items {
                self.entry(entry, false);
            }
        } else {
            self.trailing(&group.open.trailing);
            self.deeper(|inner| {
                for (index, (entry, separator)) in group.items.iter().enumerate() {
                    match entry.name.first() {
                        Some(first) => inner.before(first, index == 0, Some(false)),
                        None => inner.newline(),
                    }
                    let held = inner.entry(entry, true);
                    inner.behind(held, separator.as_ref());
                }
                inner.comments(&group.close.leading, group.items.is_empty());
            });
        }
        self.close("}");
        &group.close.trailing
    }

    /// Writes a list as a value.
    pub(super) fn list(&mut self, group: &Group<'_, Vec<Part<'_>>>) {
        let held = self.held_list(group);
        self.trailing(held);
    }

    fn held_list<'t, 'a>(&mut self, group: &'t Group<'a, Vec<Part<'a>>>) -> &'t [Comment<'a>] {
        for comment in &group.open.leading {
            self.trailing(std::slice::from_ref(comment));
        }
        self.put("[", true);
        if is_inline_list(group) {
            for (value, _) in &group.items {
                self.scalar(value, false);
            }
        } else {
            self.trailing(&group.open.trailing);
            self.deeper(|inner| {
                let count = group.items.len();
                for (index, (value, separator)) in group.items.iter().enumerate() {
                    let held = inner.value(value, false);
                    if index + 1 < count {
                        inner.put(",", false);
                    }
                    inner.behind(held, separator.as_ref());
                }
                inner.comments(&group.close.leading, group.items.is_empty());
            });
        }
        self.close("]");
        &group.close.trailing
    }

    /// Writes the comments behind an item and behind its separator, and ends the line.
    fn behind(&mut self, held: &[Comment<'_>], separator: Option<&Token<'_>>) {
        self.trailing(held);
        if let Some(separator) = separator {
            self.comments(&separator.leading, true);
            self.trailing(&separator.trailing);
        }
        self.newline();
    }

    /// Writes a name and its value, but not the comments behind it; those before it only where it does
    /// not begin a line, which has them already.
    fn entry<'t, 'a>(&mut self, entry: &'t Entry<'a>, begins_line: bool) -> &'t [Comment<'a>] {
        for (index, token) in entry.name.iter().enumerate() {
            match index == 0 && begins_line {
                true => self.put(token.text, false),
                false => self.token(token, false),
            }
            self.trailing(&token.trailing);
        }
        let is_option = entry.sign.as_ref().is_some_and(|sign| sign.text == "=");
        match &entry.sign {
            Some(sign) => {
                self.token(sign, is_option);
                self.trailing(&sign.trailing);
            }
            None => self.put(":", false),
        }
        if entry.value.len() > 1 && all_texts(&entry.value) {
            let mut held: &[Comment<'_>] = &[];
            self.deeper(|inner| held = inner.texts(&entry.value));
            // What follows stands behind the last of them.
            self.out.truncate(self.out.trim_end_matches('\n').len());
            return held;
        }
        self.value(&entry.value, true)
    }

    /// Writes a value, but not the comments behind it.
    fn value<'t, 'a>(&mut self, value: &'t [Part<'a>], is_apart: bool) -> &'t [Comment<'a>] {
        match value {
            [Part::Message(group)] => self.held_message(group),
            [Part::List(group)] => self.held_list(group),
            _ if value.len() > 1 && all_texts(value) => self.texts(value),
            _ => self.scalar(value, is_apart),
        }
    }

    /// Writes texts in lines of their own.
    fn texts<'t, 'a>(&mut self, value: &'t [Part<'a>]) -> &'t [Comment<'a>] {
        let mut held: &[Comment<'_>] = &[];
        for part in value {
            if let Part::Token(token) = part {
                self.trailing(held);
                self.newline();
                self.token(token, false);
                held = &token.trailing;
            }
        }
        held
    }

    fn scalar<'t, 'a>(&mut self, value: &'t [Part<'a>], is_apart: bool) -> &'t [Comment<'a>] {
        let mut held: &[Comment<'_>] = &[];
        for (index, part) in value.iter().enumerate() {
            if let Part::Token(token) = part {
                self.trailing(held);
                self.token(token, is_apart && index == 0);
                held = &token.trailing;
            }
        }
        held
    }
}

fn all_texts(value: &[Part<'_>]) -> bool {
    let mut parts = value.iter();
    parts.all(|part| matches!(part, Part::Token(token) if token.kind == Kind::Text))
}

/// Whether a message stays in the line: with nothing in it, or one field that is no message or list.
fn is_inline_message(group: &Group<'_, Entry<'_>>) -> bool {
    let is_short = match group.items.as_slice() {
        [] => true,
        [(entry, separator)] => {
            is_scalar(&entry.value)
                && entry_has_no_comments(entry)
                && separator.as_ref().is_none_or(is_bare)
        }
        _ => false,
    };
    is_short && group.open.trailing.is_empty() && group.close.leading.is_empty()
}

fn is_inline_list(group: &Group<'_, Vec<Part<'_>>>) -> bool {
    let is_short = match group.items.as_slice() {
        [] => true,
        [(value, separator)] => {
            is_scalar(value)
                && value.iter().all(part_has_no_comments)
                && separator.as_ref().is_none_or(is_bare)
        }
        _ => false,
    };
    is_short && group.open.trailing.is_empty() && group.close.leading.is_empty()
}

fn is_scalar(value: &[Part<'_>]) -> bool {
    let is_one = value.len() == 1 || !all_texts(value);
    is_one && value.iter().all(|part| matches!(part, Part::Token(_)))
}

fn is_bare(token: &Token<'_>) -> bool {
    token.leading.is_empty() && token.trailing.is_empty()
}

fn entry_has_no_comments(entry: &Entry<'_>) -> bool {
    entry.name.iter().chain(&entry.sign).all(is_bare)
        && entry.value.iter().all(part_has_no_comments)
}

fn part_has_no_comments(part: &Part<'_>) -> bool {
    match part {
        Part::Token(token) => is_bare(token),
        Part::Options(group) | Part::Message(group) => {
            is_bare(&group.open) && group.close.trailing.is_empty()
        }
        Part::List(group) => is_bare(&group.open) && group.close.trailing.is_empty(),
    }
}

fn entry_leading<'a>(entry: &Entry<'a>) -> Vec<Comment<'a>> {
    let first = entry.name.first();
    first.map_or_else(Vec::new, |token| token.leading.clone())
}
