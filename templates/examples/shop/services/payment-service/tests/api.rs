//! Every method of `PaymentService`, called over a real connection through the whole server stack.

use chassis::config::Config;
use chassis::testing::{self, TestServer};
use payment_service::{Settings, services};
use protocol::payment::v1::payment_service_client::PaymentServiceClient;
use protocol::payment::v1::{ChargeRequest, GetBalanceRequest, RefundRequest};
use tonic::transport::Channel;
use tonic::{Code, Status};

type Client = PaymentServiceClient<Channel>;

/// A server whose users have 10.00 each; it stops when it is dropped.
async fn start() -> (TestServer, Client) {
    let mut config = Config::<Settings>::default();
    config.app.database = storage::Settings::at("sqlite::memory:");
    config.app.opening_balance_cents = 1000;
    let services = services(&config).await.expect("it is set up");
    let server = testing::serve(services).await;
    let client = Client::new(server.channel());
    (server, client)
}

async fn charge(client: &mut Client, key: &str, amount_cents: i64) -> Result<(), Status> {
    let request = ChargeRequest {
        key: key.to_owned(),
        user_id: "ann".to_owned(),
        amount_cents,
    };
    client.charge(request).await.map(drop)
}

async fn refund(client: &mut Client, key: &str) -> Result<(), Status> {
    let key = key.to_owned();
    client.refund(RefundRequest { key }).await.map(drop)
}

async fn balance(client: &mut Client) -> Result<i64, Status> {
    let user_id = "ann".to_owned();
    let response = client.get_balance(GetBalanceRequest { user_id }).await?;
    Ok(response.into_inner().balance_cents)
}

#[tokio::test]
async fn a_charge_that_comes_twice_is_made_once() -> Result<(), Status> {
    let (_server, mut client) = start().await;
    assert_eq!(balance(&mut client).await?, 1000);
    charge(&mut client, "a", 300).await?;
    charge(&mut client, "a", 300).await?;
    assert_eq!(balance(&mut client).await?, 700);
    refund(&mut client, "a").await?;
    refund(&mut client, "a").await?;
    assert_eq!(balance(&mut client).await?, 1000);
    Ok(())
}

#[tokio::test]
async fn a_charge_that_comes_after_its_refund_is_refused() -> Result<(), Status> {
    let (_server, mut client) = start().await;
    refund(&mut client, "a").await?;
    let refused = charge(&mut client, "a", 300).await.expect_err("is late");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(balance(&mut client).await?, 1000);
    Ok(())
}

#[tokio::test]
async fn who_has_too_little_is_refused_and_can_pay_less() -> Result<(), Status> {
    let (_server, mut client) = start().await;
    let refused = charge(&mut client, "a", 1001).await.expect_err("too much");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(refused.message(), "`ann` has less than 1001 cents");
    charge(&mut client, "b", 1000).await?;
    assert_eq!(balance(&mut client).await?, 0);
    let refused = charge(&mut client, "c", 0).await.expect_err("nothing");
    assert_eq!(refused.code(), Code::InvalidArgument);
    Ok(())
}
