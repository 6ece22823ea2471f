//! What placeholders stand for.

use std::collections::BTreeMap;

use super::moment::Moment;
use super::rows::Rows;
use crate::bench::random::SplitMix;
use crate::suggestion::{did_you_mean, similar};

/// The names of the generators with what they take, as help shows them.
const SIGNATURES: [(&str, &str); 8] = [
    ("seq", "`{{seq}}` or `{{seq FIRST}}`"),
    ("uuid", "`{{uuid}}`"),
    ("randomInt", "`{{randomInt LEAST GREATEST}}`"),
    (
        "randomString",
        "`{{randomString LENGTH}}` or `{{randomString LEAST GREATEST}}`",
    ),
    ("randomChoice", "`{{randomChoice VALUE VALUE …}}`"),
    (
        "now",
        "`{{now}}`, or in numbers `{{now seconds}}`, `millis`, `micros` or `nanos`",
    ),
    ("column", "`{{column NAME}}`"),
    ("env", "`{{env NAME}}`"),
];
/// The longest random string.
const LONGEST: usize = 1 << 20;
/// What random strings are made of: 62 characters.
const ALPHABET: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// What generators take from outside.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The rows that `column` reads.
    pub rows: Option<Rows>,
    /// The variables that `env` reads.
    pub environment: BTreeMap<String, String>,
}

/// A value that is known beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Text.
    Text(String),
    /// JSON of another type.
    Json(String),
}

impl Cell {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Json(text) => text,
        }
    }

    /// It as a value of its own: what reads as a number or a word of JSON is one.
    pub(super) fn value(&self) -> String {
        let is_bare = |text: &str| {
            let value = serde_json::from_str::<serde_json::Value>(text);
            value.is_ok_and(|value| !value.is_string() && !value.is_object() && !value.is_array())
        };
        match self {
            Self::Json(json) => json.clone(),
            Self::Text(text) if is_bare(text) => text.clone(),
            Self::Text(text) => quoted(text),
        }
    }
}

/// A string of JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Which of several values is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Any.
    Random,
    /// One after the other, and again from the first.
    InTurn,
}

/// In what a moment is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

/// What a placeholder stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Generator {
    /// The number of the message, from a first one on.
    Seq(Seq),
    /// A random UUID (RFC 9562, version 4).
    Uuid,
    /// A random integer.
    RandomInt(Between),
    /// A random string of letters and digits.
    RandomString(Lengths),
    /// The time as RFC 3339 has it.
    Now,
    /// The time in a unit since 1970.
    NowIn(Since),
    /// One of several values.
    Pick(Cells),
}

/// A first number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seq {
    pub(super) first: i64,
    /// After so many, numbers begin anew; 0: never.
    pub(super) span: u64,
}

/// Both bounds of a range, which are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Between {
    pub(super) least: i64,
    pub(super) greatest: i64,
}

/// Both bounds of a length, which it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lengths {
    least: usize,
    greatest: usize,
}

/// A unit of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since(Unit);

/// Values that are known beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells {
    pub(super) cells: Vec<Cell>,
    pub(super) order: Order,
}

/// For which message something is generated.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What random values depend on.
    pub seed: u64,
    /// The number of the message, from 0.
    pub number: u64,
    /// When it is sent.
    pub now: Moment,
}

impl Step {
    /// The random numbers of a placeholder.
    pub(super) fn random(&self, slot: usize) -> SplitMix {
        SplitMix::stream(self.seed.wrapping_add(slot as u64), self.number)
    }
}

/// Which value of a generator is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which<'a> {
    /// The least that there may be, or the first.
    Least,
    /// The greatest that there may be, or the last.
    Greatest,
    /// That of a message, for the placeholder at this place.
    Of(&'a Step, usize),
}

impl Generator {
    /// Reads what stands between the braces, but for a text in quotes.
    pub(super) fn parse(words: &[String], sources: &Sources) -> Result<Self, String> {
        let Some((name, arguments)) = words.split_first() else {
            return Err(format!("an empty placeholder: there are {}", names()));
        };
        let usage = || {
            let known = SIGNATURES.iter().find(|known| known.0 == name);
            format!("write {}", known.map_or("", |known| known.1))
        };
        let integer = |text: &String| text.parse::<i64>().map_err(|_| usage());
        match (name.as_str(), arguments) {
            ("seq", []) => Ok(Self::Seq(Seq { first: 0, span: 0 })),
            ("seq", [first]) => Ok(Self::Seq(Seq {
                first: integer(first)?,
                span: 0,
            })),
            ("uuid", []) => Ok(Self::Uuid),
            ("randomInt", [least, greatest]) => {
                let (least, greatest) = (integer(least)?, integer(greatest)?);
                if least > greatest {
                    return Err(format!("there is nothing from {least} to {greatest}"));
                }
                Ok(Self::RandomInt(Between { least, greatest }))
            }
            ("randomString", [length]) => lengths(length, length).ok_or_else(usage),
            ("randomString", [least, greatest]) => lengths(least, greatest).ok_or_else(usage),
            ("randomChoice", [_, ..]) => Ok(Self::Pick(Cells {
                cells: arguments.iter().cloned().map(Cell::Text).collect(),
                order: Order::Random,
            })),
            ("now", []) => Ok(Self::Now),
            ("now", [unit]) => unit_of(unit).map(Self::NowIn).ok_or_else(usage),
            ("column", [name]) => Ok(Self::Pick(Cells {
                cells: column(name, sources)?,
                order: Order::InTurn,
            })),
            ("env", [name]) => match sources.environment.get(name) {
                Some(value) => Ok(Self::fixed(value.clone())),
                None => Err(format!("the environment has no `{name}`")),
            },
            _ if SIGNATURES.iter().any(|known| known.0 == name) => Err(usage()),
            _ => Err(format!("there is no generator `{name}`: {}", meant(name))),
        }
    }

    /// What is always the same.
    pub(super) fn fixed(text: String) -> Self {
        Self::Pick(Cells {
            cells: vec![Cell::Text(text)],
            order: Order::InTurn,
        })
    }

    /// Whether it is always the same.
    pub(super) fn is_fixed(&self) -> bool {
        matches!(self, Self::Pick(Cells { cells, .. }) if cells.len() == 1)
    }

    /// Whether it depends on the time.
    pub(super) fn needs_the_time(&self) -> bool {
        matches!(self, Self::Now | Self::NowIn(_))
    }

    /// Its number, where it gives numbers.
    pub(super) fn number(&self, which: Which<'_>) -> Option<i64> {
        Some(match (self, which) {
            (Self::Seq(seq), Which::Of(step, _)) => seq.at(step.number),
            (Self::Seq(seq), Which::Least | Which::Greatest) => seq.first,
            (Self::RandomInt(range), Which::Least) => range.least,
            (Self::RandomInt(range), Which::Greatest) => range.greatest,
            (Self::RandomInt(range), Which::Of(step, slot)) => range.at(&mut step.random(slot)),
            (Self::NowIn(since), Which::Of(step, _)) => since.at(step.now),
            (Self::NowIn(since), Which::Least | Which::Greatest) => since.at(EXAMPLE),
            (Self::Uuid | Self::RandomString(_) | Self::Now | Self::Pick(_), _) => return None,
        })
    }

    /// Appends it as text.
    pub(super) fn put(&self, which: Which<'_>, out: &mut Vec<u8>) {
        if let Some(number) = self.number(which) {
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            return;
        }
        match (self, which) {
            (Self::Uuid, Which::Of(step, slot)) => put_uuid(&mut step.random(slot), out),
            (Self::Uuid, Which::Least | Which::Greatest) => put_uuid(&mut SplitMix::new(0), out),
            (Self::RandomString(lengths), which) => lengths.put(which, out),
            (Self::Now, Which::Of(step, _)) => step.now.put(out),
            (Self::Now, Which::Least | Which::Greatest) => EXAMPLE.put(out),
            (Self::Pick(cells), which) => out.extend_from_slice(cells.at(which).text().as_bytes()),
            (Self::Seq(_) | Self::RandomInt(_) | Self::NowIn(_), _) => {
                unreachable!("numbers were written")
            }
        }
    }
}

/// A time to try templates with.
const EXAMPLE: Moment = Moment {
    seconds: 1_767_225_600,
    nanos: 0,
};

impl Seq {
    pub(super) fn at(&self, number: u64) -> i64 {
        let number = match self.span {
            0 => number,
            span => number % span,
        };
        self.first.wrapping_add(number as i64)
    }
}

impl Between {
    pub(super) fn at(&self, random: &mut SplitMix) -> i64 {
        let width = self.greatest.wrapping_sub(self.least) as u64;
        let above = match width.checked_add(1) {
            Some(count) => random.below(count),
            None => random.next(),
        };
        self.least.wrapping_add(above as i64)
    }
}

impl Since {
    pub(super) fn at(&self, now: Moment) -> i64 {
        let (seconds, nanos) = (now.seconds as i64, i64::from(now.nanos));
        match self.0 {
            Unit::Seconds => seconds,
            Unit::Millis => seconds * 1_000 + nanos / 1_000_000,
            Unit::Micros => seconds * 1_000_000 + nanos / 1_000,
            Unit::Nanos => seconds * 1_000_000_000 + nanos,
        }
    }
}

impl Lengths {
    fn put(&self, which: Which<'_>, out: &mut Vec<u8>) {
        /// How many characters a random number is good for: six bits each, and some to spare.
        const EACH: usize = 8;
        let (mut random, length) = match which {
            Which::Least => (SplitMix::new(0), self.least),
            Which::Greatest => (SplitMix::new(0), self.greatest),
            Which::Of(step, slot) => {
                let mut random = step.random(slot);
                let more = match self.greatest - self.least {
                    0 => 0,
                    width => random.below(width as u64 + 1) as usize,
                };
                (random, self.least + more)
            }
        };
        let start = out.len();
        out.resize(start + length, 0);
        for characters in out[start..].chunks_mut(EACH) {
            // A random number as a fraction of 2 to the power of 64: what it is times 62 is one of the
            // characters, and the fraction that is left is the next random number.
            let mut fraction = random.next();
            for character in characters {
                let product = u128::from(fraction) * ALPHABET.len() as u128;
                *character = ALPHABET[(product >> 64) as usize];
                fraction = product as u64;
            }
        }
    }
}

impl Cells {
    /// Which of them it is.
    pub(super) fn index(&self, step: &Step, slot: usize) -> usize {
        index(self.order, self.cells.len(), step, slot)
    }

    pub(super) fn at(&self, which: Which<'_>) -> &Cell {
        match which {
            Which::Least => &self.cells[0],
            Which::Greatest => &self.cells[self.cells.len() - 1],
            Which::Of(step, slot) => &self.cells[self.index(step, slot)],
        }
    }
}

/// Which of `count` values it is.
pub(super) fn index(order: Order, count: usize, step: &Step, slot: usize) -> usize {
    let index = match order {
        Order::InTurn => step.number % count as u64,
        Order::Random => step.random(slot).below(count as u64),
    };
    index as usize
}

fn put_uuid(random: &mut SplitMix, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    /// Where the digits of each byte stand.
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let high = random.next() & 0xffff_ffff_ffff_0fff | 0x4000;
    let low = random.next() & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000;
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    let mut text = [b'-'; 36];
    for (byte, at) in bytes.into_iter().zip(PLACES) {
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 0xf)];
    }
    out.extend_from_slice(&text);
}

fn lengths(least: &str, greatest: &str) -> Option<Generator> {
    let (least, greatest) = (least.parse().ok()?, greatest.parse().ok()?);
    let is_range = least <= greatest && greatest <= LONGEST;
    is_range.then_some(Generator::RandomString(Lengths { least, greatest }))
}

fn unit_of(name: &str) -> Option<Since> {
    Some(Since(match name {
        "seconds" => Unit::Seconds,
        "millis" => Unit::Millis,
        "micros" => Unit::Micros,
        "nanos" => Unit::Nanos,
        _ => return None,
    }))
}

fn column(name: &str, sources: &Sources) -> Result<Vec<Cell>, String> {
    let Some(rows) = &sources.rows else {
        return Err("there are no rows: say which file has them by `--rows FILE`".to_owned());
    };
    rows.column(name).ok_or_else(|| {
        let columns = rows.columns();
        let meant = did_you_mean(&similar(name, columns.iter().map(String::as_str)));
        let listed = || {
            let names: Vec<String> = columns.iter().map(|name| format!("`{name}`")).collect();
            format!("there are {}", names.join(", "))
        };
        format!(
            "the rows have no column `{name}`: {}",
            meant.unwrap_or_else(listed)
        )
    })
}

fn names() -> String {
    let names: Vec<String> = SIGNATURES
        .iter()
        .map(|known| format!("`{}`", known.0))
        .collect();
    names.join(", ")
}

fn meant(name: &str) -> String {
    let known = SIGNATURES.iter().map(|known| known.0);
    did_you_mean(&similar(name, known)).unwrap_or_else(|| format!("there are {}", names()))
}
