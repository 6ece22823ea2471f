//! Paths as they are shown. Pure: no I/O.

use std::path::{Component, Path, PathBuf};

/// A path as seen from a folder, both absolute: `../../proto/user.proto`; `.` for the folder itself, and the
/// path as it is where the two share nothing.
pub fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from
        .components()
        .zip(to.components())
        .take_while(|(one, other)| one == other)
        .count();
    let is_root = |part: Component<'_>| matches!(part, Component::RootDir | Component::Prefix(_));
    if !to
        .components()
        .take(shared)
        .any(|part| matches!(part, Component::Normal(_)))
        && !from.components().skip(shared).all(is_root)
    {
        return to.to_owned();
    }
    let mut relative: PathBuf = from.components().skip(shared).map(|_| "..").collect();
    relative.extend(to.components().skip(shared));
    if relative.as_os_str().is_empty() {
        relative.push(".");
    }
    relative
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn paths_are_shown_as_seen_from_a_folder() {
        for (from, to, expected) in [
            ("/src/shop", "/src/shop/proto/a.proto", "proto/a.proto"),
            (
                "/src/shop/services/a",
                "/src/shop/proto/a.proto",
                "../../proto/a.proto",
            ),
            ("/src/shop", "/src/shop", "."),
            ("/src/shop", "/src/protos/a.proto", "../protos/a.proto"),
            (
                "/home/me/shop",
                "/srv/protos/a.proto",
                "/srv/protos/a.proto",
            ),
            ("/", "/srv/a.proto", "srv/a.proto"),
        ] {
            assert_eq!(
                relative(Path::new(from), Path::new(to)),
                Path::new(expected),
                "{from}"
            );
        }
    }
}
