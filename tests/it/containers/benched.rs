//! What a container takes while it is benched.

use super::site::Site;

/// As much of etcd's proto as one call needs.
const ETCD: &str = r#"
syntax = "proto3";
package etcdserverpb;
message RangeRequest { bytes key = 1; }
message RangeResponse { int64 count = 4; }
service KV { rpc Range(RangeRequest) returns (RangeResponse); }
"#;

#[test]
fn what_the_server_took_is_told_of_a_container_without_being_told_which() {
    let Some(site) = Site::new() else { return };
    let up = site.json(&["up", "etcd"]);
    std::fs::write(site.sandbox.path().join("etcd.proto"), ETCD).expect("writable");
    let port = site.docker(&["port", &site.container("etcd"), "2379/tcp"]);
    let (_, port) = port
        .lines()
        .next()
        .and_then(|line| line.rsplit_once(':'))
        .expect("a port");
    let target = format!("127.0.0.1:{port}");
    let call = ["Range", "--proto", "etcd.proto", "-d", r#"{"key": "YQ=="}"#];
    let load = ["-c", "4", "--duration", "2s"];
    let report = site.json(&[&["bench", &target][..], &call, &load].concat());
    assert_eq!(report["codes"][0]["name"], "OK", "{report:#}\n{up:#}");
    let id = site.container("etcd");
    let main = site.docker(&["inspect", "--format", "{{.State.Pid}}", &id]);
    let main: u32 = main.parse().expect("a process");
    let server = &report["server"];
    let processes = server["processes"].as_array().expect("processes");
    assert!(
        processes.contains(&main.into()),
        "{main} is not in {server}"
    );
    assert!(
        server["cores"].as_f64().is_some_and(|cores| cores > 0.0),
        "{server}"
    );
    site.clear();
}
