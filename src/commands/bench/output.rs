//! Where the report goes: to stdout, and to the files that were asked for.

use std::path::PathBuf;

use super::BenchArgs;
use crate::bench::report::{self, Reports};
use crate::context::Context;
use crate::error::{IoContext as _, Result};

/// A file for the report; its extension says how it is written.
#[derive(Clone, Debug)]
pub(super) struct OutputFile {
    path: PathBuf,
    render: fn(&Reports) -> String,
}

pub(super) fn output_file(text: &str) -> Result<OutputFile, String> {
    let path = PathBuf::from(text);
    let extension = path.extension().and_then(|extension| extension.to_str());
    let render: fn(&Reports) -> String = match extension {
        Some("json") => report::json,
        Some("html") => report::html,
        Some("csv") => report::csv,
        Some("xml") => report::junit,
        Some("prom") => report::prometheus,
        _ => {
            return Err(
                "reports are written as `.json`, `.html`, `.csv`, `.xml` or `.prom`".to_owned(),
            );
        }
    };
    Ok(OutputFile { path, render })
}

/// Writes what was found where it was asked for.
pub(super) fn write(context: &Context, args: &BenchArgs, reports: &Reports) -> Result {
    for OutputFile { path, render } in &args.outputs {
        let path = context.directory.join(path);
        std::fs::write(&path, render(reports)).when("write", &path)?;
    }
    Ok(())
}
