//! Every method of `InventoryService`, called over a real connection through the whole server stack.

use chassis::config::Config;
use chassis::testing::{self, TestServer};
use inventory_service::{Settings, services};
use protocol::inventory::v1::inventory_service_client::InventoryServiceClient;
use protocol::inventory::v1::{GetItemRequest, ReleaseRequest, ReserveRequest};
use tonic::transport::Channel;
use tonic::{Code, Status};

type Client = InventoryServiceClient<Channel>;

/// A server with what it begins with; it stops when it is dropped.
async fn start() -> (TestServer, Client) {
    let mut config = Config::<Settings>::default();
    config.app.database = storage::Settings::at("sqlite::memory:");
    let services = services(&config).await.expect("it is set up");
    let server = testing::serve(services).await;
    let client = Client::new(server.channel());
    (server, client)
}

async fn reserve(client: &mut Client, key: &str, quantity: i64) -> Result<(), Status> {
    let request = ReserveRequest {
        key: key.to_owned(),
        item: "chair".to_owned(),
        quantity,
    };
    client.reserve(request).await.map(drop)
}

async fn release(client: &mut Client, key: &str) -> Result<(), Status> {
    let key = key.to_owned();
    client.release(ReleaseRequest { key }).await.map(drop)
}

/// How many chairs are left, of 100.
async fn stock(client: &mut Client) -> Result<i64, Status> {
    let name = "chair".to_owned();
    let response = client.get_item(GetItemRequest { name }).await?;
    Ok(response.into_inner().item.unwrap_or_default().stock)
}

#[tokio::test]
async fn what_is_reserved_twice_with_a_key_is_reserved_once() -> Result<(), Status> {
    let (_server, mut client) = start().await;
    reserve(&mut client, "a", 3).await?;
    reserve(&mut client, "a", 3).await?;
    assert_eq!(stock(&mut client).await?, 97);
    release(&mut client, "a").await?;
    release(&mut client, "a").await?;
    assert_eq!(stock(&mut client).await?, 100);
    Ok(())
}

#[tokio::test]
async fn what_was_released_before_is_not_reserved() -> Result<(), Status> {
    let (_server, mut client) = start().await;
    release(&mut client, "a").await?;
    let refused = reserve(&mut client, "a", 3).await.expect_err("is late");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(stock(&mut client).await?, 100);
    Ok(())
}

#[tokio::test]
async fn there_is_no_more_than_there_is() -> Result<(), Status> {
    let (_server, mut client) = start().await;
    let refused = reserve(&mut client, "a", 101).await.expect_err("too many");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(refused.message(), "there are not 101 of `chair`");
    reserve(&mut client, "b", 100).await?;
    assert_eq!(stock(&mut client).await?, 0);
    let name = "cloud".to_owned();
    let unknown = client.get_item(GetItemRequest { name }).await;
    assert_eq!(unknown.expect_err("unknown").code(), Code::NotFound);
    Ok(())
}
