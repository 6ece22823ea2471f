//! What was sent, on disk too, for the next collector.
//!
//! Two files of requests, each with its length before it, as they came. When the newer one is full it
//! takes the place of the older one: so what came last is kept, and the room that it takes is bounded.
//! They outlive this process however it ends, not a crash of the machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use prost::Message;

use super::proto::opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
use crate::error::{IoContext, IoFailure};

const NEWER: &str = "newer.otlp";
const OLDER: &str = "older.otlp";

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    file: File,
    /// How much of the file is whole requests, in bytes.
    whole: u64,
    /// Whether more may be in the file: a part of a request that could not be written to its end.
    is_torn: bool,
    /// How large a file may be, in bytes.
    limit: u64,
}

impl Journal {
    /// Opens the one in this folder, and hands on what it has, the oldest first. It takes twice
    /// `limit` bytes at most, and one request.
    ///
    /// # Errors
    /// When the file system refuses. A request that was not written to its end is none.
    pub fn open(
        folder: &Path,
        limit: u64,
        mut take: impl FnMut(ExportTraceServiceRequest),
    ) -> Result<Self, IoFailure> {
        fs::create_dir_all(folder).when("create", folder)?;
        replay(&folder.join(OLDER), &mut take)?;
        let newer = folder.join(NEWER);
        let whole = replay(&newer, &mut take)?;
        let file = open(&newer).when("open", &newer)?;
        // What follows half a request could not be read.
        file.set_len(whole).when("shorten", &newer)?;
        Ok(Self {
            folder: folder.to_owned(),
            file,
            whole,
            is_torn: false,
            limit,
        })
    }

    /// Writes a request. Where the folder or the file has gone, it is made again.
    ///
    /// # Errors
    /// When the file system refuses; then nothing of it is there for the next.
    pub fn append(&mut self, request: &ExportTraceServiceRequest) -> io::Result<()> {
        let record = request.encode_length_delimited_to_vec();
        let size = record.len() as u64;
        self.mend()?;
        if self.whole > 0 && self.whole + size > self.limit {
            let newer = self.folder.join(NEWER);
            fs::rename(&newer, self.folder.join(OLDER))?;
            self.file = open(&newer)?;
            self.whole = 0;
        }
        self.is_torn = true;
        self.file.write_all(&record)?;
        self.is_torn = false;
        self.whole += size;
        Ok(())
    }

    /// Sees to it that what is written next can be read.
    fn mend(&mut self) -> io::Result<()> {
        let newer = self.folder.join(NEWER);
        if !newer.try_exists()? {
            fs::create_dir_all(&self.folder)?;
            self.file = open(&newer)?;
            self.whole = 0;
        } else if self.is_torn {
            self.file.set_len(self.whole)?;
        }
        self.is_torn = false;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Hands on the requests of a file; how many of its bytes they are.
fn replay(path: &Path, take: &mut impl FnMut(ExportTraceServiceRequest)) -> Result<u64, IoFailure> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        read => read.when("read", path)?,
    };
    let mut rest = &*bytes;
    let mut whole = 0;
    while !rest.is_empty()
        && let Ok(request) = ExportTraceServiceRequest::decode_length_delimited(&mut rest)
    {
        take(request);
        whole = bytes.len() - rest.len();
    }
    Ok(whole as u64)
}

#[cfg(test)]
mod tests {
    use super::super::proto::opentelemetry::proto::common::v1::KeyValue;
    use super::super::proto::opentelemetry::proto::resource::v1::Resource;
    use super::super::proto::opentelemetry::proto::trace::v1::ResourceSpans;
    use super::*;

    fn request(name: &str) -> ExportTraceServiceRequest {
        let attribute = KeyValue {
            key: name.to_owned(),
            value: None,
        };
        let resource = Resource {
            attributes: vec![attribute],
        };
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(resource),
                scope_spans: Vec::new(),
            }],
        }
    }

    fn open(folder: &Path, limit: u64) -> (Journal, Vec<String>) {
        let mut names = Vec::new();
        let journal = Journal::open(folder, limit, |request| {
            let resources = request
                .resource_spans
                .into_iter()
                .filter_map(|it| it.resource);
            names.extend(resources.flat_map(|it| it.attributes).map(|it| it.key));
        });
        (journal.expect("opened"), names)
    }

    #[test]
    fn what_was_written_is_there_for_the_next_but_for_half_a_request() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut journal, before) = open(folder.path(), 1000);
        assert_eq!(before, [""; 0]);
        for name in ["one", "two", "three"] {
            journal.append(&request(name)).expect("written");
        }
        drop(journal);
        let path = folder.path().join(NEWER);
        let length = fs::metadata(&path).expect("there").len();
        let file = OpenOptions::new().write(true).open(&path).expect("there");
        file.set_len(length - 1).expect("shortened");
        let (mut journal, names) = open(folder.path(), 1000);
        assert_eq!(names, ["one", "two"]);
        journal.append(&request("four")).expect("written");
        assert_eq!(open(folder.path(), 1000).1, ["one", "two", "four"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_costs_what_does_not_fit_on_it_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(NEWER);
        let (mut journal, _) = open(folder.path(), 1000);
        journal.append(&request("one")).expect("written");
        let full = OpenOptions::new().append(true).open("/dev/full");
        let file = std::mem::replace(&mut journal.file, full.expect("Linux has it"));
        let refused = journal.append(&request("lost")).expect_err("it is full");
        assert_eq!(refused.kind(), ErrorKind::StorageFull);
        // As much of it as there was room for.
        journal.file = file;
        let half = OpenOptions::new().append(true).open(&path);
        half.expect("there").write_all(b"ha").expect("written");
        journal.append(&request("two")).expect("written");
        assert_eq!(open(folder.path(), 1000).1, ["one", "two"]);
    }

    #[test]
    fn a_folder_that_was_removed_is_made_again_as_soon_as_it_can_be() {
        let outer = tempfile::tempdir().expect("a folder");
        let folder = outer.path().join("traces");
        let (mut journal, _) = open(&folder, 1000);
        journal.append(&request("gone")).expect("written");
        fs::remove_dir_all(&folder).expect("removed");
        fs::write(&folder, "in the way").expect("written");
        journal
            .append(&request("lost"))
            .expect_err("it has no place");
        fs::remove_file(&folder).expect("removed");
        for name in ["one", "two"] {
            journal.append(&request(name)).expect("written");
        }
        assert_eq!(open(&folder, 1000).1, ["one", "two"]);
    }

    #[test]
    fn the_oldest_go_when_there_is_no_more_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let size = request("0").encode_length_delimited_to_vec().len() as u64;
        let (mut journal, _) = open(folder.path(), 2 * size);
        for name in ["1", "2", "3", "4", "5"] {
            journal.append(&request(name)).expect("written");
        }
        assert_eq!(open(folder.path(), 2 * size).1, ["3", "4", "5"]);
        let files = fs::read_dir(folder.path()).expect("a folder");
        let sizes = files.map(|it| it.expect("a file").metadata().expect("there").len());
        assert_eq!(sizes.sum::<u64>(), 3 * size);
    }
}
