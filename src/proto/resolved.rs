//! Files whose descriptors are there before the compiler opens them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prost_types::FileDescriptorProto;
use protox::file::{File, FileResolver};

/// What was made of a file.
#[derive(Clone, Debug)]
pub(super) enum Made {
    /// It was parsed, or made of what was.
    Parsed(Box<FileDescriptorProto>),
    /// Its names are written in full.
    Names(Box<FileDescriptorProto>),
    /// It was compiled by itself; encoded, with the values of custom options.
    Alone(Vec<u8>),
}

/// How far a file has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is as it was parsed.
    Parsed,
    /// See [`Made::Names`].
    Names,
    /// See [`Made::Alone`].
    Alone,
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
            Some(Made::Alone(_)) => Stage::Alone,
        }
    }

    /// Keeps what was made of a file.
    pub(super) fn add(&self, name: &str, made: Made) {
        self.known().made.insert(name.to_owned(), made);
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
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}
