//! The comments of protos, which are what people read.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, FileDescriptor};

/// Comments by file and by the path to what they stand before (`SourceCodeInfo` of
/// `google/protobuf/descriptor.proto`).
#[derive(Debug, Default)]
pub(super) struct Comments(HashMap<(String, Vec<i32>), String>);

impl Comments {
    pub(super) fn new(pool: &DescriptorPool) -> Self {
        let mut comments = HashMap::new();
        for file in pool.files() {
            let Some(info) = &file.file_descriptor_proto().source_code_info else {
                continue;
            };
            for location in &info.location {
                let text = location.leading_comments.as_deref().unwrap_or_default();
                let lines: Vec<&str> = text.lines().map(str::trim).collect();
                let text = lines.join("\n").trim().to_owned();
                if !text.is_empty() {
                    comments.insert((file.name().to_owned(), location.path.clone()), text);
                }
            }
        }
        Self(comments)
    }

    pub(super) fn of(&self, file: FileDescriptor, path: &[i32]) -> Option<&str> {
        let key = (file.name().to_owned(), path.to_vec());
        self.0.get(&key).map(String::as_str)
    }
}
