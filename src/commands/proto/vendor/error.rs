//! Why nothing is vendored, and what to do about it.

use crate::error::{Diagnostic, Exit};
use crate::proto::vendor::FOLDER;
use crate::proto::vendor::choose::Missing;

/// Why nothing is vendored.
#[derive(Debug, thiserror::Error)]
pub enum VendorError {
    #[error("what is vendored is not what it should be:\n  {}", .0.join("\n  "))]
    Stale(Vec<String>),
    #[error("{}", missing_message(.0))]
    Missing(Vec<Missing>),
    #[error("these were changed by hand and would be lost:\n  {}", .0.join("\n  "))]
    Changed(Vec<String>),
    #[error("`{0}` is no name for a folder")]
    Name(String),
    #[error("`{path}` is not a lock")]
    Lock {
        path: String,
        #[source]
        source: toml_edit::de::Error,
    },
}

impl Diagnostic for VendorError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Stale(_) => "run `msvc proto vendor` and commit what it changes".to_owned(),
            Self::Missing(missing) => match missing.iter().find_map(|it| it.similar.as_ref()) {
                Some(similar) => format!(
                    "did you mean `{similar}`? names are relative to `root` of [proto.vendor]"
                ),
                None => "nothing was changed; add what has it: `msvc proto vendor --git URL`, \
                         `--path DIR` or `--crate CRATE`"
                    .to_owned(),
            },
            Self::Changed(_) => format!(
                "move them to the workspace's own protos, which go before those in `{FOLDER}`, or \
                 overwrite them with `--force`; nothing was changed"
            ),
            Self::Name(_) => "choose one of letters, digits, `-` and `_` with `--name`".to_owned(),
            Self::Lock { .. } => "take it from git, or remove it to vendor all anew".to_owned(),
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Name(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

fn missing_message(missing: &[Missing]) -> String {
    let lines = missing.iter();
    let lines = lines.map(|it| format!("nothing has `{}`, for {}", it.name, it.wanted_by));
    lines.collect::<Vec<_>>().join("\n")
}
