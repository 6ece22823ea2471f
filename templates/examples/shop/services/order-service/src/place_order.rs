//! What becomes of an order: the item is put aside, it is paid for, and it is confirmed. What is refused
//! undoes what was done before it.

use protocol::inventory::v1::{ReleaseRequest, ReserveRequest};
use protocol::payment::v1::{ChargeRequest, RefundRequest};
use saga::{Context, Failure, Saga, Step};
use serde::{Deserialize, Serialize};
use tonic::{Code, Status};

use crate::clients::Clients;
use crate::orders::Orders;

/// What a saga is started with. It is kept as JSON for as long as the saga is.
#[derive(Debug, Deserialize, Serialize)]
pub struct PlaceOrder {
    /// Who ordered.
    pub user_id: String,
    /// What.
    pub item: String,
    /// How many of it.
    pub quantity: i64,
    /// What all of it costs.
    pub total_cents: i64,
}

/// The steps, in their order. The id of the saga is the order's.
pub fn saga(orders: &Orders, clients: &Clients) -> Saga<PlaceOrder> {
    let (orders, clients) = (orders.clone(), clients.clone());
    Saga::new("place-order")
        .step(Accept(orders.clone()))
        .step(Reserve(orders.clone(), clients.clone()))
        .step(Charge(orders.clone(), clients))
        .step(Confirm(orders))
}

/// Nothing to do, but to be undone: the order was taken before.
struct Accept(Orders);

impl Step for Accept {
    type Input = PlaceOrder;
    type Output = ();
    const NAME: &'static str = "accept";

    async fn act(&self, _order: &Context<PlaceOrder>) -> Result<(), Failure> {
        Ok(())
    }

    async fn compensate(
        &self,
        order: &Context<PlaceOrder>,
        _output: Option<()>,
    ) -> Result<(), Failure> {
        Ok(self.0.end(order.id(), "cancelled").await?)
    }
}

/// Puts the item aside.
struct Reserve(Orders, Clients);

impl Step for Reserve {
    type Input = PlaceOrder;
    type Output = ();
    const NAME: &'static str = "reserve";

    async fn act(&self, order: &Context<PlaceOrder>) -> Result<(), Failure> {
        let PlaceOrder { item, quantity, .. } = order.input();
        let request = ReserveRequest {
            key: order.key().to_owned(),
            item: item.clone(),
            quantity: *quantity,
        };
        let outcome = self.1.inventory.clone().reserve(request).await;
        told(&self.0, order.id(), outcome).await
    }

    async fn compensate(
        &self,
        order: &Context<PlaceOrder>,
        _output: Option<()>,
    ) -> Result<(), Failure> {
        let key = order.key().to_owned();
        let mut inventory = self.1.inventory.clone();
        inventory.release(ReleaseRequest { key }).await?;
        Ok(())
    }
}

/// Takes the money.
struct Charge(Orders, Clients);

impl Step for Charge {
    type Input = PlaceOrder;
    type Output = ();
    const NAME: &'static str = "charge";

    async fn act(&self, order: &Context<PlaceOrder>) -> Result<(), Failure> {
        let PlaceOrder {
            user_id,
            total_cents,
            ..
        } = order.input();
        let request = ChargeRequest {
            key: order.key().to_owned(),
            user_id: user_id.clone(),
            amount_cents: *total_cents,
        };
        let outcome = self.1.payments.clone().charge(request).await;
        told(&self.0, order.id(), outcome).await
    }

    async fn compensate(
        &self,
        order: &Context<PlaceOrder>,
        _output: Option<()>,
    ) -> Result<(), Failure> {
        let key = order.key().to_owned();
        let mut payments = self.1.payments.clone();
        payments.refund(RefundRequest { key }).await?;
        Ok(())
    }
}

/// It is paid for.
struct Confirm(Orders);

impl Step for Confirm {
    type Input = PlaceOrder;
    type Output = ();
    const NAME: &'static str = "confirm";

    async fn act(&self, order: &Context<PlaceOrder>) -> Result<(), Failure> {
        Ok(self.0.end(order.id(), "confirmed").await?)
    }
}

/// Has an order say why it was refused, where it was.
async fn told<T>(orders: &Orders, id: &str, outcome: Result<T, Status>) -> Result<(), Failure> {
    match outcome {
        Ok(_) => Ok(()),
        Err(status) => {
            if status.code() == Code::FailedPrecondition {
                orders.note(id, status.message()).await?;
            }
            Err(status.into())
        }
    }
}
