//! Descriptors that change while the gateway serves.

use std::time::Duration;

use chassis::config::Duration as Setting;

use crate::support::{DESCRIPTOR_SET, descriptor_set, system_with};

/// The service with another path.
fn renamed() -> Vec<u8> {
    let proto = include_str!("../support/echo.proto");
    descriptor_set(&proto.replace(
        "/v1/messages/{text}\"\n      additional",
        "/v2/messages/{text}\"\n      additional",
    ))
}

#[tokio::test]
async fn what_is_new_is_served_and_what_does_not_fit_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("protocol.bin");
    std::fs::write(&path, *DESCRIPTOR_SET).expect("written");
    let system = system_with(|_, settings| {
        settings.descriptors = Some(path.clone());
        settings.reload = Setting::from_millis(10);
    })
    .await;
    assert_eq!(system.get("/v2/messages/a").await.status, 404);
    let become_ok = async |path: &str| {
        while system.get(path).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    std::fs::write(&path, renamed()).expect("written");
    become_ok("/v2/messages/a").await;
    assert_eq!(
        system.get("/v1/messages/a").await.status,
        405,
        "other methods are left"
    );

    // Half a file, and one without the service: the last good ones stay.
    for bad in [&renamed()[..1000], b""] {
        std::fs::write(&path, bad).expect("written");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(system.get("/v2/messages/a").await.status, 200);
    }
    std::fs::write(&path, *DESCRIPTOR_SET).expect("written");
    become_ok("/v1/messages/a").await;
}

#[tokio::test]
async fn what_does_not_fit_at_the_start_is_an_error() {
    let config = chassis::config::Config::<()>::default();
    let services = |names: &str| gateway::Settings {
        services: vec![gateway::Upstream {
            target: "static:///127.0.0.1:1".to_owned(),
            names: vec![names.to_owned()],
        }],
        ..gateway::Settings::default()
    };
    let error = async |settings, set: &'static [u8]| {
        let made = gateway::services(&config, settings, set).await;
        made.expect_err("it does not fit").to_string()
    };
    assert_eq!(
        error(services("echo.v1.Eco"), *DESCRIPTOR_SET).await,
        "the descriptor set is not valid: `echo.v1.Eco` is not described"
    );
    let proto = include_str!("../support/echo.proto");
    let twice = proto.replace("/v1/inner/{inner.text}", "/v1/messages/{inner.text}");
    assert_eq!(
        error(services("echo.v1.*"), descriptor_set(&twice).leak()).await,
        "the descriptor set is not valid: the rule of `echo.v1.Echo.Inner`: \
         `GET /v1/messages/{inner.text=*}` leads to `echo.v1.Echo/Get` already"
    );
    let wrong = proto.replace("/v1/inner/{inner.text}", "/v1/inner/{inner}");
    assert_eq!(
        error(services("echo.v1.*"), descriptor_set(&wrong).leak()).await,
        "the descriptor set is not valid: the rule of `echo.v1.Echo.Inner`: \
         the variable `inner` of `/v1/inner/{inner}` is a message"
    );
}
