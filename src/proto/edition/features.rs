//! What an edition leaves to be said, and how it is inherited.
//!
//! Pure: no I/O.

use prost_types::UninterpretedOption;

/// What is said of a place and all that stands in it.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    /// Whether it is known that a field was set.
    pub presence: Presence,
    /// Whether repeated numbers are encoded together.
    pub is_packed: bool,
    /// Whether messages are encoded as groups are.
    pub is_delimited: bool,
    /// Whether enums have their values alone.
    pub is_closed: bool,
}

/// Whether it is known that a field was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Explicit,
    /// It is not: zero is like nothing.
    Implicit,
    /// It has to be.
    Required,
}

impl Features {
    /// What holds where nothing is said.
    pub const DEFAULT: Self = Self {
        presence: Presence::Explicit,
        is_packed: true,
        is_delimited: false,
        is_closed: false,
    };

    /// What is said in options, which are removed, on top of what is said around them.
    pub fn and(mut self, options: &mut Vec<UninterpretedOption>) -> Self {
        options.retain(|option| {
            let Some(first) = option.name.first().filter(|it| it.name_part == "features") else {
                return true;
            };
            if first.is_extension {
                return true;
            }
            match option.name.get(1) {
                Some(feature) => self.set(&feature.name_part, option.identifier_value()),
                None => {
                    let is_word = |one: char| one.is_alphanumeric() || one == '_';
                    let words = option.aggregate_value().split(|one| !is_word(one));
                    let words: Vec<&str> = words.filter(|it| !it.is_empty()).collect();
                    for pair in words.windows(2) {
                        self.set(pair[0], pair[1]);
                    }
                }
            }
            false
        });
        self
    }

    fn set(&mut self, feature: &str, value: &str) {
        match (feature, value) {
            ("field_presence", "EXPLICIT") => self.presence = Presence::Explicit,
            ("field_presence", "IMPLICIT") => self.presence = Presence::Implicit,
            ("field_presence", "LEGACY_REQUIRED") => self.presence = Presence::Required,
            ("repeated_field_encoding", value) => self.is_packed = value == "PACKED",
            ("message_encoding", value) => self.is_delimited = value == "DELIMITED",
            ("enum_type", value) => self.is_closed = value == "CLOSED",
            _ => {}
        }
    }
}
