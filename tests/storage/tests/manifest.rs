//! The manifest with which this part is built here, and the one that users get.

#[path = "../../support/manifest.rs"]
mod manifest;

const OURS: &str = include_str!("../Cargo.toml");
const USERS: &str = include_str!("../../../templates/storage/Cargo.toml.tera");

#[test]
fn both_manifests_have_the_same_dependencies_and_features() {
    manifest::assert_same_dependencies_and_features(OURS, USERS);
}

#[test]
fn every_feature_is_on_here_and_few_for_users() {
    assert_eq!(
        manifest::default_features(OURS),
        r#"["postgres","redis","redis-tls","sqlite"]"#
    );
    assert_eq!(manifest::default_features(USERS), r#"["sqlite"]"#);
}

#[test]
fn what_the_users_tests_need_is_what_ours_have() {
    manifest::assert_ours_has_what_the_users_tests_need(OURS, USERS);
}

#[test]
fn the_users_manifest_has_no_template_language() {
    manifest::assert_no_template_language(USERS);
}
