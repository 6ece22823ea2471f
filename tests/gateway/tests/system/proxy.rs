//! Paths that are passed on as they are.

use std::net::SocketAddr;

use gateway::Route;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{System, system_with};

/// Answers each connection with the request that came, as the body.
pub(crate) async fn mirror() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                let mut length = 0;
                while !String::from_utf8_lossy(&request[..length]).contains("\r\n\r\n") {
                    match stream.read(&mut request[length..]).await {
                        Ok(read @ 1..) => length += read,
                        _ => return,
                    }
                }
                let text = String::from_utf8_lossy(&request[..length]);
                let status = match text.contains(" /files/teapot") {
                    true => "418 I'm a teapot",
                    false => "200 OK",
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close, x-hop\r\n\
                     x-hop: 1\r\nx-kept: 1\r\n\r\n{text}"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

pub(crate) fn route(path: &str, target: String, strip: bool) -> Route {
    Route {
        name: path.trim_start_matches('/').replace('/', "_"),
        path: path.to_owned(),
        target,
        strip,
    }
}

async fn proxy() -> System {
    let mirror = mirror().await;
    // Nobody listens at the first address.
    let target = format!("static:///127.0.0.1:1,{mirror}");
    system_with(|config, settings| {
        config.client.ready_timeout = chassis::config::Duration::from_millis(50);
        settings.routes = vec![
            route("/files", target.clone(), false),
            route("/files/deep", target, true),
            route("/gone", "static:///127.0.0.1:1".to_owned(), false),
            route("/nobody", "nobody".to_owned(), false),
        ];
    })
    .await
}

#[tokio::test]
async fn a_path_goes_to_the_longest_route_and_nothing_of_the_connection_with_it() {
    let system = proxy().await;
    for (path, sent) in [
        ("/files", "GET /files HTTP/1.1"),
        ("/files/a%20b?c=d", "GET /files/a%20b?c=d HTTP/1.1"),
        ("/files/deep", "GET / HTTP/1.1"),
        ("/files/deep/a?b", "GET /a?b HTTP/1.1"),
    ] {
        let request = Request::get(path)
            .header("connection", "keep-alive, x-mine")
            .header("x-mine", "1")
            .header("x-other", "1");
        let reply = system
            .send(request.body(String::new()).expect("a request"))
            .await;
        assert_eq!(reply.status, 200, "{path}");
        let mirrored = reply.body.to_ascii_lowercase();
        assert!(reply.body.starts_with(sent), "{path}: {}", reply.body);
        for line in [
            "x-other: 1\r\n",
            "x-forwarded-for: 127.0.0.1\r\n",
            "x-forwarded-proto: http\r\n",
            "host: gateway\r\n",
        ] {
            assert!(mirrored.contains(line), "{line} is not in {mirrored}");
        }
        assert!(!mirrored.contains("x-mine"), "{mirrored}");
        assert_eq!(
            (reply.header("x-kept"), reply.header("x-hop")),
            (Some("1"), None)
        );
    }
    assert_eq!(
        system.get("/files/teapot").await.status,
        418,
        "its own statuses"
    );
    assert_eq!(system.get("/filesystem").await.status, 404);
    // What CORS is there is the business of who is behind the route.
    let asks = Request::options("/files")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "PATCH");
    let reply = system.send(asks.body(String::new()).expect("a request"));
    let reply = reply.await;
    assert!(reply.body.starts_with("OPTIONS /files"), "{reply:?}");
    let body = "a body ".repeat(100);
    let reply = system.ask("POST", "/files", &body).await;
    assert!(reply.body.starts_with("POST /files"), "{}", reply.body);
}

#[tokio::test]
async fn who_is_not_there_is_502_and_who_is_nobody_503() {
    let system = proxy().await;
    let reply = system.get("/gone").await;
    assert_eq!(
        (reply.status, reply.json()["error"]["status"].as_str()),
        (502, Some("UNAVAILABLE"))
    );
    assert_eq!(system.get("/nobody").await.status, 503);
    let request = "GET /files/../secret HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = system.raw(request.as_bytes()).await;
    assert!(
        answer.starts_with(b"HTTP/1.1 400 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test]
async fn a_route_is_a_method_to_rules_and_limits() {
    let mirror = mirror().await;
    let system = system_with(|config, settings| {
        let auth = &mut config.server.auth;
        auth.enabled = true;
        auth.secret = Some(chassis::config::Secret::new("a".repeat(32)));
        auth.public.push("http/open".parse().expect("a method"));
        let target = format!("static:///{mirror}");
        settings.routes = vec![
            route("/open", target.clone(), false),
            route("/closed", target, false),
        ];
    })
    .await;
    assert_eq!(system.get("/open").await.status, 200);
    assert_eq!(system.get("/closed").await.status, 401);
}

#[tokio::test]
async fn over_what_a_request_came_is_known_from_proxies_that_are_trusted() {
    let mirror = mirror().await;
    for (trusted, said, told) in [
        (None, "https", "http"),
        (Some("10.0.0.0/8"), "https", "http"),
        (Some("127.0.0.0/8"), "https", "https"),
        (Some("127.0.0.1"), "gopher", "http"),
    ] {
        let system = system_with(|_, settings| {
            settings.routes = vec![route("/files", format!("static:///{mirror}"), false)];
            settings.trusted_proxies = trusted.map(str::to_owned).into_iter().collect();
        });
        let system = system.await;
        // The client may have said something too: what the proxy said is the last.
        let request = Request::get("/files")
            .header("x-forwarded-proto", "made-up")
            .header("x-forwarded-proto", said);
        let request = request.body(String::new()).expect("a request");
        let mirrored = system.send(request).await.body.to_ascii_lowercase();
        let line = format!("x-forwarded-proto: {told}\r\n");
        assert!(mirrored.contains(&line), "{trusted:?}: {mirrored}");
        assert_eq!(
            mirrored.matches("x-forwarded-proto").count(),
            1,
            "{mirrored}"
        );
    }
}
