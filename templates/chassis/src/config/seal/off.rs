//! Without the feature `secrets` nothing can be decrypted.

use crate::features::turn_on;

/// What an encrypted value begins with.
pub(super) const PREFIX: &str = "enc:v1:";

pub(super) fn open(_key: &str, _sealed: &str) -> Result<String, &'static str> {
    Err(concat!(
        "it is encrypted, which this build cannot read: ",
        turn_on!("secrets")
    ))
}

#[cfg(test)]
mod tests {
    use crate::config::NoSettings;
    use crate::config::tests::Folder;

    #[test]
    fn who_encrypts_a_value_is_told_how_to_have_it_read() {
        let text = "[registry.consul]\ntoken = \"enc:v1:x\"\n";
        let folder = Folder::new().file("default.toml", text);
        let error = folder.load_as::<NoSettings>(&[("APP_CONFIG_KEY", "x")]);
        assert_eq!(
            error.expect_err("it cannot be read").to_string(),
            "failed to load config/default.toml:2: `registry.consul.token`: it is encrypted, which \
             this build cannot read: add \"secrets\" to `default` under [features] in \
             crates/chassis/Cargo.toml (the key is that of APP_CONFIG_KEY)"
        );
    }
}
