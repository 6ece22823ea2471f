use serde::Deserialize;

use super::cipher::{Problem, open};
use crate::config::tests::Folder;
use crate::config::{NoSettings, Secret};

/// The bytes 0 to 31.
const KEY_TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// "öpen sesame", encrypted by another implementation (OpenSSL's, by the `cryptography` package of
/// Python) with the nonce of the bytes 100 to 111.
const SEALED: &str = "enc:v1:ZGVmZ2hpamtsbW5vi62uAxfJJftNAzKNjtfkXt0KfHJEebHJhNdzwQ";

const OTHER_KEY: &str = "ISEhISEhISEhISEhISEhISEhISEhISEhISEhISEhISE=";

#[test]
fn a_value_that_another_implementation_encrypted_is_opened() {
    assert_eq!(open(KEY_TEXT, SEALED).as_deref(), Ok("öpen sesame"));
    assert_eq!(
        open(&format!("{KEY_TEXT}\n"), SEALED).as_deref(),
        Ok("öpen sesame")
    );
}

#[test]
fn everything_else_is_refused() {
    assert_eq!(open(OTHER_KEY, SEALED), Err(Problem::Refused));
    assert_eq!(open("AAEC", SEALED), Err(Problem::Key));
    assert_eq!(open("!", SEALED), Err(Problem::Key));
    for end in ["enc:v1:".len(), SEALED.len() - 20] {
        assert_eq!(open(KEY_TEXT, &SEALED[..end]), Err(Problem::Malformed));
    }
    let changed = SEALED.replace("vi62", "vi63");
    assert_eq!(open(KEY_TEXT, &changed), Err(Problem::Refused));
    assert_eq!(open(KEY_TEXT, "enc:v1:a b"), Err(Problem::Malformed));
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    door: Option<Secret>,
    doors: Vec<Secret>,
    greeting: String,
}

#[test]
fn secrets_are_decrypted_wherever_they_are_written() {
    let text = format!("[app]\ndoors = [\"plain\", \"{SEALED}\"]\n");
    let folder = Folder::new().file("default.toml", &text);
    let sesame = || Secret::new("öpen sesame");
    let expected = Settings {
        door: Some(sesame()),
        doors: vec![Secret::new("plain"), sesame()],
        greeting: String::new(),
    };
    let quoted = format!("\"{SEALED}\"");
    for door in [SEALED, &quoted] {
        let variables = [("APP_CONFIG_KEY", KEY_TEXT), ("APP_APP__DOOR", door)];
        let config = folder.load_as::<Settings>(&variables).expect("valid");
        assert_eq!(config.app, expected);
    }
    std::fs::write(folder.0.join("config.key"), KEY_TEXT).expect("written");
    let variables = [
        ("APP_CONFIG_KEY_FILE", "config.key"),
        ("APP_APP__DOOR", SEALED),
    ];
    let config = folder.load_as::<Settings>(&variables).expect("valid");
    assert_eq!(config.app, expected);
}

#[test]
fn what_cannot_be_decrypted_is_named_with_its_place() {
    let text = format!("[registry.consul]\ntoken = \"{SEALED}\"\n");
    let folder = Folder::new().file("default.toml", &text);
    let error = |variables: &[(&str, &str)]| {
        let error = folder.load_as::<NoSettings>(variables);
        error
            .expect_err("the value cannot be decrypted")
            .to_string()
    };
    let at = "failed to load config/default.toml:2: `registry.consul.token`:";
    assert_eq!(
        error(&[]),
        format!("{at} it is encrypted, and neither APP_CONFIG_KEY nor APP_CONFIG_KEY_FILE is set")
    );
    assert_eq!(
        error(&[("APP_CONFIG_KEY", OTHER_KEY)]),
        format!(
            "{at} the key does not fit, or the encrypted value was changed \
             (the key is that of APP_CONFIG_KEY)"
        )
    );
    let missing = folder.0.join("nowhere").display().to_string();
    assert_eq!(
        error(&[("APP_CONFIG_KEY_FILE", "nowhere")]),
        format!("{at} No such file or directory (os error 2) (the key is that of {missing})")
    );
}

#[test]
fn an_encrypted_value_is_for_secrets_alone() {
    let text = format!("[app]\ngreeting = \"{SEALED}\"\n");
    let folder = Folder::new().file("default.toml", &text);
    let error = folder.load_as::<Settings>(&[("APP_CONFIG_KEY", KEY_TEXT)]);
    assert_eq!(
        error.expect_err("it is no secret").to_string(),
        "failed to load config/default.toml:2: `app.greeting`: \
         only a secret can be encrypted, and this setting is none"
    );
}
