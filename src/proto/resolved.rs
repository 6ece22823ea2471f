//! Files whose descriptors are there before the compiler opens them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prost_types::FileDescriptorProto;
use protox::file::{File, FileResolver};

use crate::proto::public_imports;

/// What was made of a file.
#[derive(Clone, Debug)]
pub(super) enum Made {
    /// It was parsed, or made of what was.
    Parsed(Box<FileDescriptorProto>),
    /// Its names are written in full.
    Names(Box<FileDescriptorProto>),
    /// It was compiled by itself; encoded, with the values of custom options.
    Alone(Vec<u8>),
    /// It is wrong, and read from its text to tell where.
    Text(String),
}

/// How far a file has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is as it was parsed.
    Parsed,
    /// See [`Made::Names`].
    Names,
    /// Nothing more is made of it: [`Made::Alone`], [`Made::Text`].
    Last,
}

/// What was made of files, by their names; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolved(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    made: BTreeMap<String, Made>,
    /// The files that were compiled by themselves, or are being.
    tried: BTreeSet<String>,
}

impl Resolved {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a file is compiled by itself for the first time: what is wrong with it then is wrong.
    pub(super) fn try_alone(&self, name: &str) -> bool {
        self.known().tried.insert(name.to_owned())
    }

    /// How far a file has got.
    pub(super) fn stage(&self, name: &str) -> Stage {
        match self.known().made.get(name) {
            None | Some(Made::Parsed(_)) => Stage::Parsed,
            Some(Made::Names(_)) => Stage::Names,
            Some(Made::Alone(_) | Made::Text(_)) => Stage::Last,
        }
    }

    /// Keeps what was made of a file.
    pub(super) fn add(&self, name: &str, made: Made) {
        self.known().made.insert(name.to_owned(), made);
    }

    /// Whether a file with added imports is read from its text from now on. They are put behind it, where
    /// they move nothing.
    pub(super) fn take_text(&self, name: &str, text: String) -> bool {
        let mut known = self.known();
        let added: String = match known.made.get(name) {
            Some(Made::Parsed(file) | Made::Names(file)) => {
                let added = file.dependency.iter().skip(public_imports::written(file));
                added.map(|it| format!("\nimport {it:?};")).collect()
            }
            Some(Made::Text(_)) => return true,
            Some(Made::Alone(_)) | None => String::new(),
        };
        let has_added = !added.is_empty();
        if has_added {
            known
                .made
                .insert(name.to_owned(), Made::Text(text + &added));
        }
        has_added
    }
}

impl FileResolver for Resolved {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.known().made.get(name) {
            Some(Made::Parsed(descriptor) | Made::Names(descriptor)) => {
                Ok(File::from_file_descriptor_proto((**descriptor).clone()))
            }
            Some(Made::Alone(encoded)) => {
                File::decode_file_descriptor_proto(encoded.as_slice()).map_err(protox::Error::new)
            }
            Some(Made::Text(text)) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}
