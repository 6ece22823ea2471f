//! Images that come from a registry: Debian's `docker-registry` on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::site::Site;
use crate::support::ports::free_port;
use crate::support::skip;

/// A registry of images.
struct Registry {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Registry {
    fn start() -> Option<Self> {
        let Ok(program) = which::which("docker-registry") else {
            skip("no `docker-registry` on PATH");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let path = folder.path().join("config.yml");
        let storage = folder.path().join("images").display().to_string();
        let configuration = format!(
            "version: 0.1\nlog: {{level: error}}\n\
             storage: {{filesystem: {{rootdirectory: {storage}}}}}\n\
             http: {{addr: \"127.0.0.1:{port}\"}}\n"
        );
        fs::write(&path, configuration).expect("writable");
        let mut command = Command::new(program);
        command
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().expect("it starts");
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self {
            child,
            port,
            _folder: folder,
        })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_missing_image_is_pulled_from_the_mirror() {
    let Some(site) = Site::new() else { return };
    let Some(registry) = Registry::start() else {
        return;
    };
    let mirror = format!("127.0.0.1:{}/hub", registry.port);
    let image = format!("{mirror}/library/nats:2.11.3-alpine");
    site.docker(&["tag", "msvc-ci/small", &image]);
    site.docker(&["push", "--quiet", &image]);
    site.docker(&["rmi", &image]);
    site.edit(
        "[infra.ports]",
        &format!("[infra]\nmirror = \"{mirror}\"\n[infra.ports]"),
    );

    let never = site
        .msvc(&["up", "nats", "--pull", "never"])
        .replace(&mirror, "[MIRROR]");
    insta::assert_snapshot!(never, @r#"
    exit: 1
    --- stderr ---
          Engine Docker at [HOST], which answers
    error: the image `[MIRROR]/library/nats:2.11.3-alpine` of `nats` is not here and cannot be had: it was not to be pulled (`--pull never`)
    hint: `docker load` it, or `--pull missing`; another image: `nats = "…"` in `[infra.images]` of `msvc.toml`, or MSVC_IMAGE_NATS
    "#);
    assert_eq!(site.left(), ["", "", ""]);
    let pulled = site.msvc(&["up", "nats"]);
    insta::assert_snapshot!(pulled, @r"
    exit: 0
    --- stderr ---
          Engine Docker at [HOST], which answers
         Pulling the image of nats
         Healthy nats       nats://127.0.0.1:[nats]  (created in [N] s)
              Up all healthy (docker, [N] s)
    hint: `msvc run` starts the services with it; `msvc status` says what runs, `msvc down` stops it
    ");
    let entry = &site.json(&["status"])["resources"][0];
    assert_eq!(entry["image"], image.as_str());
    let always = site.msvc(&["up", "nats", "--pull", "always"]);
    insta::assert_snapshot!(always, @r"
    exit: 0
    --- stderr ---
          Engine Docker at [HOST], which answers
         Pulling the image of nats
         Healthy nats       nats://127.0.0.1:[nats]  (unchanged)
              Up all healthy already, nothing changed (docker, [N] s)
    ");
    // The tag stands for another image now.
    let other = site.docker(&[
        "commit",
        "--change",
        "LABEL newer=1",
        &site.container("nats"),
        &image,
    ]);
    assert!(other.starts_with("sha256:"), "{other}");
    site.docker(&["push", "--quiet", &image]);
    let before = site.container("nats");
    let newer = site
        .msvc(&["up", "nats", "--pull", "always"])
        .replace(&mirror, "[MIRROR]");
    insta::assert_snapshot!(newer, @r"
    exit: 0
    --- stderr ---
          Engine Docker at [HOST], which answers
         Pulling the image of nats
       Replacing nats: changed image: [MIRROR]/library/nats:2.11.3-alpine (outdated) → [MIRROR]/library/nats:2.11.3-alpine
         Healthy nats       nats://127.0.0.1:[nats]  (replaced in [N] s)
              Up all healthy (docker, [N] s)
    hint: `msvc run` starts the services with it; `msvc status` says what runs, `msvc down` stops it
    ");
    assert_ne!(site.container("nats"), before);
    site.clear();
    site.docker(&["rmi", &image]);
}

#[test]
fn an_image_that_cannot_be_had_is_named_with_the_way_to_another() {
    let Some(site) = Site::new() else { return };
    let Some(registry) = Registry::start() else {
        return;
    };
    let mirror = format!("127.0.0.1:{}", registry.port);
    let up = || {
        let mut command = site.command(&["up", "nats", "redis"]);
        let output = command.env("MSVC_REGISTRY_MIRROR", &mirror).output();
        let text = site.sandbox.render(output.expect("msvc starts"));
        site.steady(&text.replace(&mirror, "[MIRROR]"))
    };
    insta::assert_snapshot!(up(), @r#"
    exit: 1
    --- stderr ---
          Engine Docker at [HOST], which answers
         Pulling the image of nats
         Pulling the image of redis
    error: the image `[MIRROR]/library/redis:7.4.3-alpine` of `redis` is not here and cannot be had: its registry has no such image or tag
    error: the image `[MIRROR]/library/nats:2.11.3-alpine` of `nats` is not here and cannot be had: its registry has no such image or tag
    hint: another image: `redis = "…"` in `[infra.images]` of `msvc.toml`, or MSVC_IMAGE_REDIS
    "#);
    drop(registry);
    insta::assert_snapshot!(up(), @r#"
    exit: 3
    --- stderr ---
          Engine Docker at [HOST], which answers
         Pulling the image of nats
         Pulling the image of redis
    error: the image `[MIRROR]/library/redis:7.4.3-alpine` of `redis` is not here and cannot be had: its registry cannot be reached: Get "http://[MIRROR]/v2/": dial tcp [MIRROR]: connect: connection refused
    error: the image `[MIRROR]/library/nats:2.11.3-alpine` of `nats` is not here and cannot be had: its registry cannot be reached: Get "http://[MIRROR]/v2/": dial tcp [MIRROR]: connect: connection refused
    hint: a mirror: `mirror = "HOST/PATH"` in `[infra]` of `msvc.toml`, or MSVC_REGISTRY_MIRROR; another image: `redis = "…"` in `[infra.images]` of `msvc.toml`, or MSVC_IMAGE_REDIS; or `docker load` it; or `--engine embedded`
    "#);
    assert_eq!(site.left(), ["", "", ""]);
}

/// Makes an image of a file that is nowhere else, so that a pull has something to fetch.
fn import(site: &Site, image: &str) {
    let mut seed = u64::from(std::process::id());
    let text = (0..4_000_000).map(|_| {
        // Knuth's constants for a linear congruential generator.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + (seed >> 33) as u8 % 95)
    });
    let files = BTreeMap::from([("/noise".to_owned(), text.collect::<String>())]);
    let path = site.sandbox.path().join("noise.tar");
    fs::write(&path, msvc::infra::docker::archive::tar(&files)).expect("writable");
    site.docker(&["import", path.to_str().expect("UTF-8"), image]);
}

#[test]
fn the_bytes_of_a_pull_are_counted() {
    use msvc::infra::docker::connect::connect;
    use msvc::infra::docker::endpoint::DockerSettings;
    use msvc::infra::docker::engine::Engine;
    use msvc::infra::docker::labels::Project;
    use msvc::infra::docker::pull::{Bytes, Pull, ensure};
    use msvc::infra::resource::Resource;

    let Some(site) = Site::new() else { return };
    let Some(registry) = Registry::start() else {
        return;
    };
    let image = format!("127.0.0.1:{}/counted:1", registry.port);
    import(&site, &image);
    site.docker(&["push", "--quiet", &image]);
    site.docker(&["rmi", &image]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let told = std::cell::RefCell::new(Vec::<Bytes>::new());
    runtime.expect("a runtime").block_on(async {
        let settings = DockerSettings {
            host: Some(site.host.clone()),
            ..DockerSettings::default()
        };
        let connection = connect(&settings).await.expect("the engine answers");
        let project = Project::new("shop", &site.sandbox.path());
        let engine = Engine::new(connection, project, None);
        let tell = |bytes| told.borrow_mut().push(bytes);
        let wanted = (image.as_str(), Resource::Nats);
        ensure(&engine, wanted, Pull::Missing, tell)
            .await
            .expect("pulled");
    });
    site.docker(&["rmi", &image]);
    let told = told.into_inner();
    let last = told.last().expect("something was told");
    assert!(last.total > 1_000_000, "{last:?}");
    assert_eq!(last.done, last.total);
    assert!(
        told.windows(2).all(|pair| pair[0].done <= pair[1].done),
        "{told:?}"
    );
}
