mod report;

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::run::poll;
use super::start::{Started, load_from};
use super::*;
use crate::config::follow::Section;
use crate::config::tests::Folder;
use crate::config::{Live, Secret};

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    greeting: String,
    limit: u32,
    door: Option<Secret>,
}

const FROM_CONSUL: (&str, &str) = ("APP_CONFIG_CENTER__SOURCE", "consul");

/// Loads, where the store answers with `answer`.
fn load(
    folder: &Folder,
    variables: &[(&str, &str)],
    answer: Result<Option<&str>, &str>,
) -> Result<(Live<Settings>, Started), String> {
    let answer = answer.map_err(str::to_owned);
    let answer = answer.map(|text| text.map(|text| text.as_bytes().to_vec()));
    let loaded = load_from::<Settings>(folder.source(variables), ("probe", "1.2.3"), |_| answer);
    let (config, live, started) = loaded.map_err(|error| error.with_cause())?;
    assert_eq!(config.app, *live.current(), "both are of the same start");
    Ok((live, started))
}

fn loaded(
    folder: &Folder,
    variables: &[(&str, &str)],
    store: Option<&str>,
) -> (Live<Settings>, Started) {
    load(folder, variables, Ok(store)).expect("valid")
}

/// What becomes of a change, as text.
fn change(started: &mut Started, change: Change) -> String {
    match started.center.change(change) {
        Outcome::Known => "known".to_owned(),
        Outcome::Applied {
            changed,
            need_restart,
        } => format!(
            "changed {}; restart {}",
            changed.join(","),
            need_restart.join(",")
        ),
        Outcome::Refused(error) => format!("refused: {error}"),
    }
}

fn files(default: &str) -> Change {
    Change::Files(vec![Some(default.to_owned()), None])
}

fn store(text: &str) -> Change {
    Change::Store(Some(text.as_bytes().to_vec()))
}

#[test]
fn a_good_change_takes_effect_and_a_bad_one_changes_nothing() {
    let folder = Folder::new().file("default.toml", "[app]\ngreeting = \"a\"\nlimit = 1\n");
    let (live, mut started) = loaded(&folder, &[], None);
    let good = files("[app]\ngreeting = \"b\"\nlimit = 2\n");
    assert_eq!(
        change(&mut started, good.clone()),
        "changed app.greeting,app.limit; restart "
    );
    let b = Settings {
        greeting: "b".to_owned(),
        limit: 2,
        door: None,
    };
    assert_eq!(*live.current(), b);
    assert_eq!(change(&mut started, good.clone()), "known");

    let bad = files("[app]\ngreeting = \"c\"\nlimit = \"many\"\n");
    assert_eq!(
        change(&mut started, bad.clone()),
        "refused: failed to load config/default.toml:3: `app.limit`: \
         expected a whole number that is not negative, got string \"many\""
    );
    assert_eq!(*live.current(), b, "not even its good part is in force");
    assert_eq!(change(&mut started, bad), "known", "it is told once");
    let unknown = files("[serv]\n");
    assert_eq!(
        change(&mut started, unknown),
        "refused: failed to load config/default.toml:1: unknown key `serv`, \
         did you mean `server`?"
    );
    assert_eq!(change(&mut started, good), "changed ; restart ");
    assert_eq!(*live.current(), b);
}

#[test]
fn the_store_is_above_the_variables_and_a_deleted_key_gives_way_to_them() {
    let folder = Folder::new().file("default.toml", "[app]\ngreeting = \"file\"\nlimit = 1");
    let variables = [FROM_CONSUL, ("APP_APP__GREETING", "variable")];
    let (live, mut started) = loaded(&folder, &variables, Some("[app]\ngreeting = \"store\""));
    let greeting = || (live.current().greeting.clone(), live.current().limit);
    assert_eq!(greeting(), ("store".to_owned(), 1));
    let update = change(&mut started, store("[app]\nlimit = 5"));
    assert_eq!(update, "changed app.greeting,app.limit; restart ");
    assert_eq!(greeting(), ("variable".to_owned(), 5));
    let deleted = change(&mut started, Change::Store(None));
    assert_eq!(deleted, "changed app.limit; restart ");
    assert_eq!(greeting(), ("variable".to_owned(), 1));
}

#[test]
fn a_key_that_is_required_must_be_there_and_stays_in_force_when_it_is_deleted() {
    let folder = Folder::new();
    let variables = [FROM_CONSUL, ("APP_CONFIG_CENTER__REQUIRED", "true")];
    let error = |answer| load(&folder, &variables, answer).err();
    let text = |why| {
        let name = "consul:config/dev/probe";
        format!("failed to load {name} (config_center.required): {why}")
    };
    assert_eq!(error(Ok(None)), Some(text("there is no such key")));
    assert_eq!(error(Err("away")), Some(text("away")));

    let (live, mut started) = loaded(&folder, &variables, Some("[app]\nlimit = 3"));
    let refused = format!("refused: {}", text("there is no such key"));
    assert_eq!(change(&mut started, Change::Store(None)), refused);
    assert_eq!(change(&mut started, Change::Store(None)), "known");
    assert_eq!(live.current().limit, 3);
    let update = change(&mut started, store("[app]\nlimit = 4"));
    assert_eq!(update, "changed app.limit; restart ");
    assert_eq!(change(&mut started, Change::Store(None)), refused);
}

#[test]
fn errors_in_the_store_name_the_key_and_the_line() {
    let (_, mut started) = loaded(&Folder::new(), &[FROM_CONSUL], None);
    let mut refusal = |change_: Change| change(&mut started, change_);
    let at = "refused: failed to load consul:config/dev/probe";
    assert_eq!(
        refusal(store("[app]\nlimt = 3")),
        format!("{at}:2: unknown key `app.limt`, did you mean `app.limit`?")
    );
    assert_eq!(
        refusal(store("x")),
        format!("{at}:1:2: key with no value, expected `=`")
    );
    assert_eq!(
        refusal(Change::Store(Some(b"a = 1\n\xff".to_vec()))),
        format!("{at}:2: not UTF-8")
    );
    assert_eq!(
        refusal(store("[config_center]\nkey = \"a\"")),
        format!("{at}:1: `config_center`: the store cannot say where the store is")
    );
}

#[test]
fn the_key_is_by_convention_or_as_it_is_set() {
    let key = |variables: &[(&str, &str)]| {
        let (_, started) = loaded(&Folder::new(), variables, None);
        started.config.config_center_key()
    };
    let etcd = ("APP_CONFIG_CENTER__SOURCE", "etcd");
    assert_eq!(
        key(&[FROM_CONSUL, ("APP_ENV", "prod")]),
        "config/prod/probe"
    );
    assert_eq!(key(&[etcd]), "/config/dev/probe");
    assert_eq!(key(&[etcd, ("APP_CONFIG_CENTER__KEY", "a/b")]), "a/b");
}

#[test]
fn a_bad_layer_does_not_hold_up_a_good_one_and_may_become_valid_by_it() {
    let (live, mut started) = loaded(
        &Folder::new().file("default.toml", ""),
        &[FROM_CONSUL],
        None,
    );
    let bad = change(&mut started, files("[app]\nlimit = 1\ngreeting = 5"));
    assert!(bad.starts_with("refused: "), "{bad}");
    let good = change(&mut started, store("[app]\nlimit = 2"));
    assert_eq!(good, "changed app.limit; restart ");
    assert!(started.center.state.load().refused.is_some());
    // The store overrides what is wrong in the file, which is in force from now on.
    let cure = change(&mut started, store("[app]\ngreeting = \"b\""));
    assert_eq!(cure, "changed app.greeting,app.limit; restart ");
    assert_eq!(
        (live.current().greeting.as_str(), live.current().limit),
        ("b", 1)
    );
    assert!(started.center.state.load().refused.is_none());
}

#[test]
fn what_cannot_change_needs_a_restart_until_it_is_as_it_was() {
    let folder = Folder::new().file("default.toml", "[server]\nport = 1");
    let (_, mut started) = loaded(&folder, &[], None);
    let levels = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&levels);
    let hooks = Hooks::default().add("log.level", move |config: &Config| {
        let text = format!("{:?}", config.log.level.targets().default_level());
        seen.lock().expect("no panic").push(text);
    });
    static NOBODY: Followers = Followers::new();
    started.center.tell(hooks, &NOBODY);
    let text = "[server]\nport = 2\n[log]\nlevel = \"warn\"\n[app]\nlimit = 1";
    assert_eq!(
        change(&mut started, files(text)),
        "changed app.limit,log.level,server.port; restart server.port"
    );
    assert_eq!(
        *levels.lock().expect("no panic"),
        ["Some(LevelFilter::WARN)"]
    );
    let needed = |started: &Started| {
        let need_restart = started.center.state.load().need_restart.clone();
        serde_json::to_value(need_restart).expect("JSON")
    };
    assert_eq!(needed(&started), json!({"server.port": 1}));
    let text = "[server]\nport = 1\n[log]\nlevel = \"warn\"";
    assert_eq!(
        change(&mut started, files(text)),
        "changed app.limit,server.port; restart "
    );
    assert_eq!(needed(&started), json!({}));
    assert_eq!(levels.lock().expect("no panic").len(), 1);
}

fn cache_variable(path: &Path) -> (&'static str, String) {
    ("APP_CONFIG_CENTER__CACHE_FILE", path.display().to_string())
}

#[test]
fn a_store_that_is_away_costs_its_settings_unless_they_are_cached() {
    let folder = Folder::new();
    let (live, started) = load(&folder, &[FROM_CONSUL], Err("away")).expect("valid");
    assert_eq!(*live.current(), Settings::default());
    let away = "failed to load consul:config/dev/probe: away: starting";
    assert_eq!(started.warnings, [format!("{away} without")]);

    let path = folder.0.join("cache.toml");
    let (name, value) = cache_variable(&path);
    let variables = [FROM_CONSUL, (name, value.as_str())];
    loaded(&folder, &variables, Some("[app]\nlimit = 7"));
    let (live, started) = load(&folder, &variables, Err("away")).expect("valid");
    assert_eq!(live.current().limit, 7);
    assert_eq!(
        started.warnings,
        [format!("{away} with the cached settings")]
    );
    // What the store says now is worse than what it said before.
    let (live, started) = load(&folder, &variables, Ok(Some("[app]\nlimit = -1"))).expect("valid");
    assert_eq!((live.current().limit, started.warnings.len()), (7, 1));
    assert_eq!(
        std::fs::read_to_string(&path).expect("it is kept"),
        "[app]\nlimit = 7"
    );
    // A key that is gone does not come back from the cache.
    loaded(&folder, &variables, None);
    assert!(!path.exists());
}

#[test]
fn what_is_wrong_in_the_store_at_the_start_is_an_error() {
    let error = load(
        &Folder::new(),
        &[FROM_CONSUL],
        Ok(Some("[app]\nlimit = -1")),
    );
    assert_eq!(
        error.err().as_deref(),
        Some(
            "failed to load consul:config/dev/probe:2: `app.limit`: \
             expected a whole number that is not negative, got integer `-1`"
        )
    );
}

#[test]
fn a_change_that_cannot_come_into_force_is_refused_with_its_place() {
    static FOLLOWERS: Followers = Followers::new();
    let sections = &[Section::MaxRequestSize];
    let _follow = FOLLOWERS.follow(sections, (), |(), config| {
        match config.server.max_request_size.bytes() {
            0..10 => Err("no message is as small".to_owned()),
            _ => Ok(()),
        }
    });
    let folder = Folder::new().file("default.toml", "");
    let (live, mut started) = loaded(&folder, &[], None);
    started.center.tell(Hooks::default(), &FOLLOWERS);
    let text = |size| format!("[app]\nlimit = 1\n[server]\nmax_request_size = \"{size}B\"");
    assert_eq!(
        change(&mut started, files(&text(9))),
        "refused: failed to load config/default.toml:4: `server.max_request_size`: \
         no message is as small"
    );
    assert_eq!(live.current().limit, 0, "nothing of it is in force");
    assert_eq!(
        change(&mut started, files(&text(10))),
        "changed app.limit,server.max_request_size; restart "
    );
}

/// Time is paused: it goes on when nobody reads a file.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn files_are_noticed_edited_replaced_and_behind_links_that_are_swapped() {
    let folder = Folder::new().file("default.toml", "a = 0");
    let (_, files) = folder.source(&[]).layers("probe", "1").expect("valid");
    let (sender, mut changes) = mpsc::channel(1);
    tokio::spawn(poll(files, Duration::from_millis(500), sender));
    let mut next = async || {
        let texts = changes.recv().await.expect("it goes on").expect("readable");
        texts[0].clone()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(next().await, text("a = 0"));

    let path = folder.0.join("config/default.toml");
    std::fs::write(&path, "a = 1").expect("edited in place");
    assert_eq!(next().await, text("a = 1"));

    let other = folder.0.join("config/.default.toml.swp");
    std::fs::write(&other, "a = 2").expect("written");
    std::fs::rename(&other, &path).expect("replaced");
    assert_eq!(next().await, text("a = 2"));

    // As Kubernetes mounts a ConfigMap: the file is a link through `..data`, which is swapped.
    let config = folder.0.join("config");
    for (version, text) in [("..1", "a = 3"), ("..2", "a = 4")] {
        std::fs::create_dir(config.join(version)).expect("a folder");
        std::fs::write(config.join(version).join("default.toml"), text).expect("written");
    }
    std::os::unix::fs::symlink("..1", config.join("..data")).expect("a link");
    std::fs::remove_file(&path).expect("removed");
    std::os::unix::fs::symlink("..data/default.toml", &path).expect("a link");
    assert_eq!(next().await, text("a = 3"));
    std::os::unix::fs::symlink("..2", config.join("..data_tmp")).expect("a link");
    std::fs::rename(config.join("..data_tmp"), config.join("..data")).expect("swapped");
    assert_eq!(next().await, text("a = 4"));

    std::fs::remove_file(&path).expect("removed");
    assert_eq!(next().await, None);
}
