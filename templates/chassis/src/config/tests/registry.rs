//! `[registry]`, and the variables that other tools share.

use std::path::PathBuf;

use super::Folder;
use crate::config::{Consul, Kubernetes, RegistryTls};

#[test]
fn consul_is_also_configured_by_its_own_variables_unless_the_keys_are_set() {
    let standard = [
        ("CONSUL_HTTP_ADDR", "10.0.0.1:8501"),
        ("CONSUL_HTTP_TOKEN", "secret"),
    ];
    let config = Folder::new()
        .load(&standard)
        .expect("valid")
        .registry
        .consul;
    let address = config.address.map(|address| address.to_string());
    assert_eq!(address.as_deref(), Some("http://10.0.0.1:8501"));
    assert_eq!(
        config.token.map(|token| token.expose().to_owned()),
        Some("secret".to_owned())
    );

    let folder = Folder::new().file("dev.toml", "[registry.consul]\naddress = \"http://c:1\"");
    let config = folder.load(&standard).expect("valid").registry.consul;
    assert_eq!(
        config.address.map(|it| it.to_string()).as_deref(),
        Some("http://c:1")
    );

    assert_eq!(
        Folder::new().error(&[("CONSUL_HTTP_ADDR", "ftp://c:1")]),
        "failed to load the environment variable CONSUL_HTTP_ADDR: `registry.consul.address`: \
         expected an address of the form \"http://host:port\" or \"https://host:port\", \
         got \"ftp://c:1\""
    );
}

#[test]
fn etcd_is_also_configured_by_the_variables_of_etcdctl_unless_the_keys_are_set() {
    let standard = [
        ("ETCDCTL_ENDPOINTS", "10.0.0.1:2379, http://etcd:1"),
        ("ETCDCTL_USER", "root:secret"),
    ];
    let etcd = |folder: &Folder, variables: &[(&str, &str)]| {
        let etcd = folder.load(variables).expect("valid").registry.etcd;
        let endpoints: Vec<String> = etcd.endpoints.iter().map(ToString::to_string).collect();
        let password = etcd.password.map(|password| password.expose().to_owned());
        (endpoints.join(" "), etcd.username, password)
    };
    let text = |text: &str| Some(text.to_owned());
    let expected = (
        "http://10.0.0.1:2379 http://etcd:1".to_owned(),
        text("root"),
        text("secret"),
    );
    assert_eq!(etcd(&Folder::new(), &standard), expected);

    let keys = "[registry.etcd]\nendpoints = [\"http://e:1\"]\nusername = \"app\"";
    let folder = Folder::new().file("dev.toml", keys);
    let password = [("ETCDCTL_PASSWORD", "other")];
    let expected = ("http://e:1".to_owned(), text("app"), text("other"));
    assert_eq!(
        etcd(&folder, &[&standard[..], &password].concat()),
        expected
    );
}

#[test]
fn the_endpoints_of_another_etcd_matter_only_where_etcd_is_the_registry() {
    let elsewhere = ("ETCDCTL_ENDPOINTS", "ftp://etcd:2379");
    let config = Folder::new().load(&[elsewhere]).expect("valid");
    assert_eq!(config.registry.etcd.endpoints, []);
    assert_eq!(
        Folder::new().error(&[elsewhere, ("APP_REGISTRY__KIND", "etcd")]),
        "failed to load the environment variable ETCDCTL_ENDPOINTS: `registry.etcd.endpoints`: \
         expected an address of the form \"http://host:port\" or \"https://host:port\", several \
         with commas, got \"ftp://etcd:2379\""
    );
}

fn tls(ca: &str, pair: Option<(&str, &str)>) -> RegistryTls {
    RegistryTls {
        ca: Some(PathBuf::from(ca)),
        cert: pair.map(|(cert, _)| PathBuf::from(cert)),
        key: pair.map(|(_, key)| PathBuf::from(key)),
        ..RegistryTls::default()
    }
}

#[test]
fn consul_is_asked_over_tls_as_its_own_variables_say() {
    let consul = |variables: &[(&str, &str)]| -> Consul {
        Folder::new()
            .load(variables)
            .expect("valid")
            .registry
            .consul
    };
    let address = |variables: &[(&str, &str)]| {
        let address = consul(variables).address;
        address.map(|it| it.to_string()).unwrap_or_default()
    };
    let (on, off) = (("CONSUL_HTTP_SSL", "true"), ("CONSUL_HTTP_SSL", "0"));
    let addr = |value| ("CONSUL_HTTP_ADDR", value);
    assert_eq!(address(&[on]), "https://127.0.0.1:8500");
    assert_eq!(address(&[off]), "");
    assert_eq!(address(&[on, addr("c:1")]), "https://c:1");
    assert_eq!(address(&[on, addr("http://c:1")]), "https://c:1");
    assert_eq!(address(&[off, addr("c:1")]), "http://c:1");
    assert_eq!(address(&[addr("https://c:1")]), "https://c:1");
    let own = ("APP_REGISTRY__CONSUL__ADDRESS", "http://own:1");
    assert_eq!(address(&[on, own]), "http://own:1");

    let files = [
        ("CONSUL_CACERT", "ca"),
        ("CONSUL_CLIENT_CERT", "cert"),
        ("CONSUL_CLIENT_KEY", "key"),
        ("CONSUL_TLS_SERVER_NAME", "server.dc1.consul"),
    ];
    let expected = RegistryTls {
        server_name: Some("server.dc1.consul".to_owned()),
        ..tls("ca", Some(("cert", "key")))
    };
    assert_eq!(consul(&files).tls, expected);
    let own = [
        ("APP_REGISTRY__CONSUL__TLS__CERT", "own"),
        ("APP_REGISTRY__CONSUL__TLS__KEY", "own.key"),
    ];
    let expected = RegistryTls {
        cert: Some("own".into()),
        key: Some("own.key".into()),
        ..expected
    };
    assert_eq!(consul(&[&files[..], &own].concat()).tls, expected);
}

#[test]
fn etcd_is_asked_over_tls_as_the_variables_of_etcdctl_say() {
    let variables = [
        ("ETCDCTL_ENDPOINTS", "a:1, http://b:2"),
        ("ETCDCTL_CACERT", "ca"),
        ("ETCDCTL_CERT", "cert"),
        ("ETCDCTL_KEY", "key"),
    ];
    let etcd = Folder::new().load(&variables).expect("valid").registry.etcd;
    let endpoints: Vec<String> = etcd.endpoints.iter().map(ToString::to_string).collect();
    assert_eq!(endpoints, ["https://a:1", "http://b:2"]);
    assert_eq!(etcd.tls, tls("ca", Some(("cert", "key"))));
}

#[test]
fn inside_of_a_cluster_kubernetes_needs_no_configuration() {
    let kubernetes = |variables: &[(&str, &str)]| -> Kubernetes {
        let kind = ("APP_REGISTRY__KIND", "kubernetes");
        let variables = [&[kind], variables].concat();
        let config = Folder::new().load(&variables).expect("valid");
        config.registry.kubernetes
    };
    let folder = "/var/run/secrets/kubernetes.io/serviceaccount";
    let inside = |url: &str| Kubernetes {
        api_server: Some(url.parse().expect("an address")),
        token_file: Some(format!("{folder}/token").into()),
        tls: tls(&format!("{folder}/ca.crt"), None),
        ..Kubernetes::default()
    };
    let host = ("KUBERNETES_SERVICE_HOST", "10.96.0.1");
    assert_eq!(kubernetes(&[host]), inside("https://10.96.0.1:443"));
    let ipv6 = [
        ("KUBERNETES_SERVICE_HOST", "fd00::1"),
        ("KUBERNETES_SERVICE_PORT", "6443"),
    ];
    assert_eq!(kubernetes(&ipv6), inside("https://[fd00::1]:6443"));

    let proxy = "http://127.0.0.1:8001";
    let expected = Kubernetes {
        api_server: Some(proxy.parse().expect("an address")),
        ..Kubernetes::default()
    };
    let own = ("APP_REGISTRY__KUBERNETES__API_SERVER", proxy);
    assert_eq!(kubernetes(&[host, own]), expected);
    assert_eq!(
        Folder::new().error(&[("APP_REGISTRY__KIND", "kubernetes")]),
        "failed to load the built-in defaults: `registry.kubernetes.api_server`: must be set outside \
         of a cluster: run `kubectl proxy` and set \"http://127.0.0.1:8001\""
    );
}
