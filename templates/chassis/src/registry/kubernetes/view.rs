//! What is known of the endpoints of a service, as the API server tells it, and why it tells no
//! more.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{fmt, io};

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::api::{Bookmark, Event, EventKind, Failure, Slice, SliceList};
use crate::registry::http::Error as HttpError;
use crate::registry::resolve::{Parts, resolve};
use crate::registry::watch::Publisher;

/// What is known of the slices of a service.
#[derive(Debug)]
pub(super) struct View {
    /// By the name of the slice.
    places: BTreeMap<String, Vec<Parts>>,
    /// All changes up to this version are known.
    pub(super) version: String,
}

/// Why a watch has ended.
#[derive(Debug)]
pub(super) enum End {
    /// As it does once in a while.
    Usual,
    /// The version is too old.
    Gone,
    /// It can be resumed.
    Failed(Problem),
}

/// Why the API server did not answer.
#[derive(Debug)]
pub(super) enum Problem {
    Http(HttpError),
    Token(PathBuf, io::Error),
    /// What the API server says.
    Status(Failure),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => fmt::Display::fmt(error, f),
            Self::Token(path, error) => write!(f, "failed to read {}: {error}", path.display()),
            Self::Status(failure) => write!(f, "{}: {}", failure.code, failure.message),
        }
    }
}

impl From<HttpError> for End {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Status {
                status: StatusCode::GONE,
                ..
            } => Self::Gone,
            error => Self::Failed(Problem::Http(error)),
        }
    }
}

impl View {
    pub(super) fn new(list: SliceList, port: &str) -> Self {
        let mut view = Self {
            version: list.metadata.resource_version,
            places: BTreeMap::new(),
        };
        for slice in list.items {
            view.put(slice, port);
        }
        view
    }

    fn put(&mut self, slice: Slice, port: &str) {
        let places = slice.places(port);
        self.places.insert(slice.metadata.name, places);
    }

    /// Whether instances may have changed.
    ///
    /// # Errors
    /// When the event ends the watch.
    pub(super) fn apply(&mut self, event: Event, port: &str) -> Result<bool, End> {
        let object = event.object;
        match event.kind {
            EventKind::Error => {
                let failure: Failure = parse(object)?;
                return Err(match StatusCode::from_u16(failure.code) {
                    Ok(StatusCode::GONE) => End::Gone,
                    _ => End::Failed(Problem::Status(failure)),
                });
            }
            EventKind::Bookmark => {
                let bookmark: Bookmark = parse(object)?;
                self.version = bookmark.metadata.resource_version;
                return Ok(false);
            }
            EventKind::Added | EventKind::Modified | EventKind::Deleted => {}
        }
        let slice: Slice = parse(object)?;
        self.version.clone_from(&slice.metadata.resource_version);
        match event.kind {
            EventKind::Deleted => {
                self.places.remove(&slice.metadata.name);
            }
            _ => self.put(slice, port),
        }
        Ok(true)
    }

    pub(super) async fn publish(&self, publisher: &Publisher) {
        let places = self.places.values().flatten().cloned();
        if let Some(instances) = resolve(places).await {
            publisher.publish(instances);
        }
    }
}

fn parse<T: DeserializeOwned>(object: serde_json::Value) -> Result<T, End> {
    serde_json::from_value(object).map_err(|error| HttpError::Body(error).into())
}
