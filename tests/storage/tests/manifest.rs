//! The part is built here with one manifest and by users with another: both must say the same.

#[path = "../../support/manifests.rs"]
mod manifests;

use manifests::Manifests;

fn both() -> Manifests {
    Manifests::parse(
        include_str!("../Cargo.toml"),
        include_str!("../../../templates/storage/Cargo.toml.tera"),
    )
}

#[test]
fn both_manifests_have_the_same_dependencies_and_features() {
    both().assert_equal();
}

#[test]
fn every_feature_is_on_here_and_sqlite_for_users() {
    both().assert_defaults(r#"["sqlite"]"#);
}

#[test]
fn what_the_users_tests_need_is_what_ours_have() {
    both().assert_users_tests_have_what_they_need();
}
