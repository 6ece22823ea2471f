//! From the path of a request to what is called: a tree of segments.
//!
//! What is more specific wins: a literal over `*`, `*` over `**`, at the first segment where two
//! templates differ. Looking takes one step for each segment of the path in the usual case, and never
//! more than there are nodes in the tree.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use percent_encoding::percent_decode_str;

use crate::rule::{Segment, Template};

/// The methods of HTTP that lead somewhere, with where they lead. `*` is any.
type Ends<T> = Vec<(String, T)>;

/// A tree of templates.
#[derive(Debug, Clone)]
pub(crate) struct Matcher<T> {
    root: Node<T>,
}

#[derive(Debug, Clone)]
struct Node<T> {
    literals: HashMap<String, Node<T>>,
    any: Option<Box<Node<T>>>,
    /// What ends here.
    ends: Verbs<T>,
    /// What goes on with `**`.
    rest: Verbs<T>,
}

/// By the verb of the template: `None` is none.
#[derive(Debug, Clone)]
struct Verbs<T>(Vec<(Option<String>, Ends<T>)>);

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<T> {
    /// This.
    One(T),
    /// Something, by these methods alone: sorted.
    OtherMethods(Vec<String>),
    Nothing,
}

/// The segments of a path, in the path itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Segments {
    ranges: Vec<Range<usize>>,
}

/// A part of a path that cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Undecodable;

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            literals: HashMap::new(),
            any: None,
            ends: Verbs(Vec::new()),
            rest: Verbs(Vec::new()),
        }
    }
}

impl<T> Default for Matcher<T> {
    fn default() -> Self {
        Self {
            root: Node::default(),
        }
    }
}

impl<T: Clone> Matcher<T> {
    /// Adds a template for a method of HTTP.
    ///
    /// # Errors
    /// What is there already.
    pub(crate) fn add(&mut self, method: &str, template: &Template, end: T) -> Result<(), T> {
        let mut node = &mut self.root;
        let mut rest = false;
        for segment in &template.segments {
            match segment {
                Segment::Literal(literal) => {
                    node = node.literals.entry(literal.clone()).or_default();
                }
                Segment::Any => node = node.any.get_or_insert_default(),
                Segment::Rest => rest = true,
            }
        }
        let Verbs(verbs) = if rest { &mut node.rest } else { &mut node.ends };
        let at = match verbs.iter().position(|(verb, _)| *verb == template.verb) {
            Some(at) => at,
            None => {
                verbs.push((template.verb.clone(), Vec::new()));
                verbs.len() - 1
            }
        };
        let ends = &mut verbs[at].1;
        if let Some((_, end)) = ends.iter().find(|(it, _)| it == method) {
            return Err(end.clone());
        }
        ends.push((method.to_owned(), end));
        Ok(())
    }

    /// What `method` on `path` leads to; a `method` of `None` is any. The segments are those of the
    /// path without its verb, if it has one.
    pub(crate) fn find(&self, method: Option<&str>, path: &str) -> (Found<T>, Segments) {
        let mut others = Vec::new();
        let whole = Segments::of(path);
        // The last segment may end with a verb. What has one is more specific.
        let last = whole.ranges.last().cloned().unwrap_or_default();
        if let Some(colon) = path[last.clone()].rfind(':') {
            let verb = &path[last.start + colon + 1..last.end];
            let mut segments = Segments {
                ranges: whole.ranges.clone(),
            };
            if let Some(it) = segments.ranges.last_mut() {
                it.end = last.start + colon;
            }
            let looked_for = Looked {
                method,
                verb: Some(verb),
                path,
            };
            if let Some(end) = self.root.find(&looked_for, &segments.ranges, &mut others) {
                return (Found::One(end), segments);
            }
        }
        let looked_for = Looked {
            method,
            verb: None,
            path,
        };
        let found = match self.root.find(&looked_for, &whole.ranges, &mut others) {
            Some(end) => Found::One(end),
            None if others.is_empty() => Found::Nothing,
            None => {
                others.sort();
                others.dedup();
                Found::OtherMethods(others)
            }
        };
        (found, whole)
    }
}

/// What is looked for.
struct Looked<'a> {
    method: Option<&'a str>,
    verb: Option<&'a str>,
    path: &'a str,
}

impl<T: Clone> Node<T> {
    fn find(
        &self,
        looked_for: &Looked<'_>,
        segments: &[Range<usize>],
        others: &mut Vec<String>,
    ) -> Option<T> {
        let Some((first, after)) = segments.split_first() else {
            return self
                .ends
                .find(looked_for, others)
                .or_else(|| self.rest.find(looked_for, others));
        };
        let segment = &looked_for.path[first.clone()];
        let literal = match segment.contains('%') {
            false => self.literals.get(segment),
            true => {
                let decoded = percent_decode_str(segment).decode_utf8().ok();
                decoded.and_then(|decoded| self.literals.get(&*decoded))
            }
        };
        if let Some(node) = literal
            && let Some(end) = node.find(looked_for, after, others)
        {
            return Some(end);
        }
        if let Some(node) = &self.any
            && !segment.is_empty()
            && let Some(end) = node.find(looked_for, after, others)
        {
            return Some(end);
        }
        self.rest.find(looked_for, others)
    }
}

impl<T: Clone> Verbs<T> {
    fn find(&self, looked_for: &Looked<'_>, others: &mut Vec<String>) -> Option<T> {
        let same = |(verb, _): &&(Option<String>, _)| verb.as_deref() == looked_for.verb;
        let (_, ends) = self.0.iter().find(same)?;
        let Some(method) = looked_for.method else {
            return ends.first().map(|(_, end)| end.clone());
        };
        let named = |name: &str| ends.iter().find(|(it, _)| it == name);
        let head = || named("GET").filter(|_| method == "HEAD");
        if let Some((_, end)) = named(method).or_else(|| named("*")).or_else(head) {
            return Some(end.clone());
        }
        others.extend(ends.iter().map(|(method, _)| method.clone()));
        None
    }
}

impl Segments {
    /// Those of `path`, which begins with a slash.
    fn of(path: &str) -> Self {
        let mut ranges = Vec::new();
        let mut start = 1.min(path.len());
        for (at, _) in path.match_indices('/').skip(1) {
            ranges.push(start..at);
            start = at + 1;
        }
        ranges.push(start..path.len());
        Self { ranges }
    }

    /// The text of the segments `wanted`, those of a variable; `is_path` as in
    /// [`Variable`](crate::rule::Variable).
    ///
    /// An end of [`usize::MAX`] is the last one.
    ///
    /// # Errors
    /// When a percent sign is followed by something else than two digits, or what it stands for is
    /// not UTF-8.
    pub(crate) fn text<'p>(
        &self,
        path: &'p str,
        wanted: &Range<usize>,
        is_path: bool,
    ) -> Result<Cow<'p, str>, Undecodable> {
        let Some(first) = self.ranges.get(wanted.start) else {
            // `**` was nothing.
            return Ok(Cow::Borrowed(""));
        };
        let last = match wanted.end {
            usize::MAX => self.ranges.last(),
            end => self.ranges.get(end - 1),
        };
        let last = last.unwrap_or(first);
        let raw = &path[first.start..last.end];
        decode(raw, is_path)
    }
}

/// `raw` without percent signs; `%2F` stays when `keep_slashes`.
///
/// # Errors
/// As [`Segments::text`].
pub(crate) fn decode(raw: &str, keep_slashes: bool) -> Result<Cow<'_, str>, Undecodable> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.split_at_checked(2).ok_or(Undecodable)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(Undecodable);
        let value = (digit(digits.0[0])? * 16 + digit(digits.0[1])?) as u8;
        match value {
            b'/' if keep_slashes => {
                bytes.push(b'%');
                bytes.extend_from_slice(digits.0);
            }
            value => bytes.push(value),
        }
        rest = digits.1;
    }
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| Undecodable)
}

#[cfg(test)]
mod tests;
