//! What the command line adds to `[proto.vendor]`.

use super::VendorArgs;
use super::error::VendorError;
use crate::context::Context;
use crate::error::Result;
use crate::paths;
use crate::project::{self, Project};
use crate::proto::vendor::{Origin, Source, normal};

/// What is to be added to `msvc.toml`.
pub fn added(
    context: &Context,
    args: &VendorArgs,
    project: &Project,
) -> Result<Option<(String, Source)>> {
    let origin = if let Some(url) = &args.git {
        let rev = args.rev.clone().unwrap_or_else(|| "HEAD".to_owned());
        let url = url.clone();
        Origin::Git { url, rev }
    } else if let Some(path) = &args.path {
        let folder = project::resolve(&context.directory.join(path))?;
        let path = paths::relative(&project.root, &folder);
        Origin::Path(path.display().to_string())
    } else if let Some(name) = &args.package {
        let (name, version) = name.split_once('@').unwrap_or((name, "*"));
        Origin::Crate {
            name: name.to_owned(),
            version: version.to_owned(),
        }
    } else {
        return Ok(None);
    };
    let name = args.name.clone().unwrap_or_else(|| {
        let text = match &origin {
            Origin::Git { url, .. } => url,
            Origin::Path(path) => path,
            Origin::Crate { name, .. } => name,
        };
        let last = text.trim_end_matches('/').rsplit(['/', ':']).next();
        last.unwrap_or_default().trim_end_matches(".git").to_owned()
    });
    let is_plain = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_');
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(VendorError::Name(name).into());
    }
    let source = Source {
        origin,
        root: args.root.as_deref().map(normal).unwrap_or_default(),
        files: args.files.iter().map(|it| normal(it)).collect(),
    };
    Ok(Some((name, source)))
}
