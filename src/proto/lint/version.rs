//! The version at the end of a package: `user.v1`, `user.v1beta2`, `user.v1p1alpha`, `user.v2test`.

/// How far along a version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// `v1`.
    Stable,
    /// `v1alpha1`, `v1beta1`, `v1test`.
    Unstable,
}

/// The version that a package ends in, if it does.
pub fn of_package(package: &str) -> Option<Stability> {
    let (_, last) = package.rsplit_once('.')?;
    parse(last)
}

fn parse(part: &str) -> Option<Stability> {
    let rest = part.strip_prefix('v')?;
    if let Some((major, _)) = rest.split_once("test") {
        return is_number(major).then_some(Stability::Unstable);
    }
    for word in ["alpha", "beta"] {
        if let Some((major, minor)) = rest.split_once(word) {
            let is_major = match major.split_once('p') {
                Some((major, patch)) => is_number(major) && is_number(patch),
                None => is_number(major),
            };
            let is_version = is_major && (minor.is_empty() || is_number(minor));
            return is_version.then_some(Stability::Unstable);
        }
    }
    is_number(rest).then_some(Stability::Stable)
}

/// Whether a text is a number from 1.
fn is_number(text: &str) -> bool {
    text.bytes().all(|one| one.is_ascii_digit()) && text.parse::<u32>().is_ok_and(|it| it > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_part_of_its_own_at_the_end() {
        use Stability::{Stable, Unstable};
        for (package, expected) in [
            ("user.v1", Some(Stable)),
            ("user.v12", Some(Stable)),
            ("user.v1alpha", Some(Unstable)),
            ("user.v1beta2", Some(Unstable)),
            ("user.v1p1beta1", Some(Unstable)),
            ("user.v1test", Some(Unstable)),
            ("user.v2testfoo", Some(Unstable)),
            ("v1", None),
            ("user", None),
            ("user.v0", None),
            ("user.v+1", None),
            ("user.v1.admin", None),
            ("user.v1beta0", None),
            ("user.1", None),
        ] {
            assert_eq!(of_package(package), expected, "{package}");
        }
    }
}
