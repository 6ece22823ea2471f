//! Every method of `OrderService`, called over a real connection through the whole server stack, with the
//! services that it calls beside it: what becomes of an order, and of what was done for it.

use std::time::Duration;

use chassis::config::{Config, Secret};
use chassis::testing::{self, TestServer};
use order_service::{Settings, services};
use protocol::inventory::v1::GetItemRequest;
use protocol::inventory::v1::inventory_service_client::InventoryServiceClient;
use protocol::order::v1::order::Status as OrderStatus;
use protocol::order::v1::order_service_client::OrderServiceClient;
use protocol::order::v1::{CreateOrderRequest, GetOrderRequest, Order};
use protocol::payment::v1::GetBalanceRequest;
use protocol::payment::v1::payment_service_client::PaymentServiceClient;
use protocol::user::v1::CreateUserRequest;
use protocol::user::v1::user_service_client::UserServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// Longer than an order takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the tokens are signed with, by HS256.
const SECRET: &str = "for these tests alone: thirty-two bytes!";
/// Tokens until the year 2100 whose subjects are `ann` and `bob`.
const ANN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDB9.j0Pa5VwL4lgYsjTaF2vHSIGyqfhOr8WUkmERHbs3XVI";
const BOB: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJib2IiLCJleHAiOjQxMDI0NDQ4MDB9.VNxqOoTE0ZmQ4sDwbqLP-cKj0t8oEI7dgHi1d6cKqwU";

/// All of them; they stop when this is dropped.
struct Shop {
    orders: OrderServiceClient<Channel>,
    inventory: InventoryServiceClient<Channel>,
    payments: PaymentServiceClient<Channel>,
    _servers: [TestServer; 4],
}

/// A shop in which `ann` and `bob` are users who have 200.00 each, and a chair is 120.00.
async fn start() -> Shop {
    let in_memory = || storage::Settings::at("sqlite::memory:");
    let mut users = Config::<user_service::Settings>::default();
    users.app.database = in_memory();
    let users = user_service::services(&users).await.expect("it is set up");
    let mut inventory = Config::<inventory_service::Settings>::default();
    inventory.app.database = in_memory();
    let inventory = inventory_service::services(&inventory).await;
    let mut payments = Config::<payment_service::Settings>::default();
    payments.app.database = in_memory();
    payments.app.opening_balance_cents = 20_000;
    let payments = payment_service::services(&payments).await;
    let users = testing::serve(users).await;
    let inventory = testing::serve(inventory.expect("it is set up")).await;
    let payments = testing::serve(payments.expect("it is set up")).await;

    let mut config = Config::<Settings>::default();
    config.server.auth.enabled = true;
    config.server.auth.secret = Some(Secret::new(SECRET));
    config.app.database = in_memory();
    let target = |server: &TestServer| format!("static:///{}", server.address());
    config.app.clients.users = target(&users);
    config.app.clients.inventory = target(&inventory);
    config.app.clients.payments = target(&payments);
    let orders = services(&config).await.expect("it is set up");
    let orders = testing::serve_with(config, orders).await;

    for id in ["ann", "bob"] {
        let (id, name) = (id.to_owned(), id.to_owned());
        let mut users = UserServiceClient::new(users.channel());
        let created = users.create_user(CreateUserRequest { id, name }).await;
        created.expect("is created");
    }
    Shop {
        orders: OrderServiceClient::new(orders.channel()),
        inventory: InventoryServiceClient::new(inventory.channel()),
        payments: PaymentServiceClient::new(payments.channel()),
        _servers: [users, inventory, payments, orders],
    }
}

/// A request of whoever the token names.
fn by<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {token}").parse().expect("it is ASCII");
    request.metadata_mut().insert("authorization", bearer);
    request
}

impl Shop {
    async fn order(&self, token: &str, id: &str, chairs: i64) -> Result<Order, Status> {
        let request = CreateOrderRequest {
            id: id.to_owned(),
            item: "chair".to_owned(),
            quantity: chairs,
        };
        let response = self.orders.clone().create_order(by(token, request)).await?;
        Ok(response.into_inner().order.unwrap_or_default())
    }

    async fn find(&self, token: &str, id: &str) -> Result<Order, Status> {
        let request = GetOrderRequest { id: id.to_owned() };
        let response = self.orders.clone().get_order(by(token, request)).await?;
        Ok(response.into_inner().order.unwrap_or_default())
    }

    /// The order of that id once it has been decided on.
    async fn decided(&self, token: &str, id: &str) -> Result<Order, Status> {
        let decided = async {
            loop {
                let order = self.find(token, id).await?;
                if order.status() != OrderStatus::Pending {
                    return Ok(order);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let decided = tokio::time::timeout(PATIENCE, decided).await;
        decided.expect("it is decided on")
    }

    /// How many chairs are left, of 100.
    async fn chairs(&self) -> Result<i64, Status> {
        let name = "chair".to_owned();
        let request = GetItemRequest { name };
        let response = self.inventory.clone().get_item(request).await;
        Ok(response?.into_inner().item.unwrap_or_default().stock)
    }

    /// What `ann` can spend, in cents.
    async fn balance(&self) -> Result<i64, Status> {
        let user_id = "ann".to_owned();
        let request = GetBalanceRequest { user_id };
        let response = self.payments.clone().get_balance(request).await;
        Ok(response?.into_inner().balance_cents)
    }
}

#[tokio::test]
async fn an_order_that_comes_twice_is_paid_for_once() -> Result<(), Status> {
    let shop = start().await;
    let order = shop.order(ANN, "a", 1).await?;
    assert_eq!(order.status(), OrderStatus::Pending);
    assert_eq!((order.user_id.as_str(), order.total_cents), ("ann", 12_000));
    let order = shop.decided(ANN, "a").await?;
    assert_eq!(
        (order.status(), order.reason.as_str()),
        (OrderStatus::Confirmed, "")
    );
    assert_eq!(shop.order(ANN, "a", 1).await?, order);
    assert_eq!((shop.chairs().await?, shop.balance().await?), (99, 8_000));
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_paid_for_is_put_back() -> Result<(), Status> {
    let shop = start().await;
    shop.order(ANN, "a", 2).await?;
    let order = shop.decided(ANN, "a").await?;
    assert_eq!(order.status(), OrderStatus::Cancelled);
    assert_eq!(order.reason, "`ann` has less than 24000 cents");
    assert_eq!((shop.chairs().await?, shop.balance().await?), (100, 20_000));
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_not_paid_for() -> Result<(), Status> {
    let shop = start().await;
    shop.order(ANN, "a", 101).await?;
    let order = shop.decided(ANN, "a").await?;
    assert_eq!(order.status(), OrderStatus::Cancelled);
    assert_eq!((shop.chairs().await?, shop.balance().await?), (100, 20_000));
    Ok(())
}

#[tokio::test]
async fn an_order_is_seen_by_who_ordered() -> Result<(), Status> {
    let shop = start().await;
    shop.order(ANN, "a", 1).await?;
    let code = |outcome: Result<Order, Status>| outcome.expect_err("is refused").code();
    assert_eq!(code(shop.find(BOB, "a").await), Code::NotFound);
    assert_eq!(code(shop.order(BOB, "a", 1).await), Code::AlreadyExists);
    assert_eq!(code(shop.find("none", "a").await), Code::Unauthenticated);
    Ok(())
}

#[tokio::test]
async fn what_is_not_valid_is_refused_with_its_field() {
    let shop = start().await;
    let refused = shop.order(ANN, "a b", 0).await.expect_err("is no order");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let fields = chassis::status::field_violations(&refused).into_iter();
    let fields: Vec<String> = fields.map(|(field, _)| field).collect();
    assert_eq!(fields, ["id", "quantity"]);
    assert!(matches!(shop.find(ANN, "a b").await, Err(status) if status.code() == Code::NotFound));
}
