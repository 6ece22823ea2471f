//! `OrderService` as gRPC sees it.

use chassis::auth::Claims;
use chassis::status::not_found;
use chassis::validate::Violations;
use protocol::inventory::v1::GetItemRequest;
use protocol::order::v1::order::Status as OrderStatus;
use protocol::order::v1::order_service_server::OrderService;
use protocol::order::v1::{
    CreateOrderRequest, CreateOrderResponse, GetOrderRequest, GetOrderResponse, Order,
};
use protocol::user::v1::GetUserRequest;
use saga::Handle;
use tonic::{Code, Request, Response, Status};

use crate::clients::Clients;
use crate::orders::Orders;
use crate::place_order::PlaceOrder;

/// The longest id, in characters.
const MAX_ID: usize = 64;
/// The most of an item in one order.
const MAX_QUANTITY: i64 = 1000;

/// `OrderService` over a database, with what becomes of orders.
#[derive(Debug)]
pub struct OrderApi {
    orders: Orders,
    clients: Clients,
    place_order: Handle<PlaceOrder>,
}

impl OrderApi {
    /// Takes orders and starts what becomes of them.
    pub fn new(orders: Orders, clients: Clients, place_order: Handle<PlaceOrder>) -> Self {
        Self {
            orders,
            clients,
            place_order,
        }
    }

    /// What an order would be: its user is known, its item has a price.
    async fn price(&self, user_id: String, request: CreateOrderRequest) -> Result<Order, Status> {
        let CreateOrderRequest { id, item, quantity } = request;
        let known = GetUserRequest {
            id: user_id.clone(),
        };
        let user = self.clients.users.clone().get_user(known).await;
        user.map_err(|status| refused(status, "user"))?;
        let wanted = GetItemRequest { name: item.clone() };
        let found = self.clients.inventory.clone().get_item(wanted).await;
        let found = found.map_err(|status| refused(status, "item"))?;
        let price_cents = found.into_inner().item.unwrap_or_default().price_cents;
        Ok(Order {
            id,
            user_id,
            item,
            quantity,
            total_cents: price_cents * quantity,
            status: OrderStatus::Pending.into(),
            reason: String::new(),
        })
    }
}

#[tonic::async_trait]
impl OrderService for OrderApi {
    async fn create_order(
        &self,
        request: Request<CreateOrderRequest>,
    ) -> Result<Response<CreateOrderResponse>, Status> {
        let user_id = caller(&request)?;
        let request = request.into_inner();
        let id = &request.id;
        let is_plain = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '_';
        let is_id = (1..=MAX_ID).contains(&id.len()) && id.chars().all(is_plain);
        let is_quantity = (1..=MAX_QUANTITY).contains(&request.quantity);
        Violations::new()
            .require(is_id, "id", "must be 1 to 64 letters, digits, `-` and `_`")
            .require(is_quantity, "quantity", "must be 1 to 1,000")
            .finish()?;

        let order = self.price(user_id, request).await?;
        let input = PlaceOrder {
            user_id: order.user_id.clone(),
            item: order.item.clone(),
            quantity: order.quantity,
            total_cents: order.total_cents,
        };
        // The order, the news of it and the saga are there together or not at all.
        let is_new = self
            .orders
            .database
            .transaction(async |transaction| {
                let is_new = self.orders.insert(transaction, &order).await?;
                if is_new {
                    let place_order = &self.place_order;
                    place_order.start_in(transaction, &order.id, &input).await?;
                }
                Ok::<_, Status>(is_new)
            })
            .await?;
        if is_new {
            self.place_order.wake();
            let order = Some(order);
            return Ok(Response::new(CreateOrderResponse { order }));
        }
        let found = self.orders.find(&order.id).await?;
        let own = found.filter(|found| found.user_id == order.user_id);
        let taken = || Status::already_exists(format!("somebody else has an order `{}`", order.id));
        let order = Some(own.ok_or_else(taken)?);
        Ok(Response::new(CreateOrderResponse { order }))
    }

    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<GetOrderResponse>, Status> {
        let user_id = caller(&request)?;
        let id = request.into_inner().id;
        let found = self.orders.find(&id).await?;
        let own = found.filter(|found| found.user_id == user_id);
        let order = Some(own.ok_or_else(|| not_found("order", id))?);
        Ok(Response::new(GetOrderResponse { order }))
    }
}

/// Who calls, as the token says.
fn caller<T>(request: &Request<T>) -> Result<String, Status> {
    let claims = request.extensions().get::<Claims>();
    let subject = claims.and_then(Claims::subject);
    let subject = subject.ok_or_else(|| Status::unauthenticated("the token names nobody"))?;
    Ok(subject.to_owned())
}

/// What the caller is told when another service refuses.
fn refused(status: Status, what: &str) -> Status {
    match status.code() {
        Code::NotFound => Status::failed_precondition(format!("there is no such {what}")),
        _ => status,
    }
}
