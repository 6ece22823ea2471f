//! The orders in the database.

use messaging::{Message, Outbox};
use protocol::order::v1::order::Status as OrderStatus;
use protocol::order::v1::{Order, OrderCreated};
use storage::{Database, Error, FromRow, Row, Transaction};
use tonic::Status;

/// Where new orders are published.
const TOPIC: &str = "order-created";

/// Orders, and the news of them. Clones are the same.
#[derive(Clone, Debug)]
pub struct Orders {
    /// Where they are kept.
    pub database: Database,
    outbox: Outbox,
}

/// A row of `orders`.
struct Stored(Order);

impl FromRow for Stored {
    fn from_row(row: &Row) -> Result<Self, Error> {
        let status = match row.get::<String>("status")?.as_str() {
            "pending" => OrderStatus::Pending,
            "confirmed" => OrderStatus::Confirmed,
            "cancelled" => OrderStatus::Cancelled,
            _ => OrderStatus::Unspecified,
        };
        Ok(Self(Order {
            id: row.get("id")?,
            user_id: row.get("user_id")?,
            item: row.get("item")?,
            quantity: row.get("quantity")?,
            total_cents: row.get("total_cents")?,
            status: status.into(),
            reason: row.get("reason")?,
        }))
    }
}

impl Orders {
    /// Those in the database, published by way of its outbox.
    pub fn new(database: Database, outbox: Outbox) -> Self {
        Self { database, outbox }
    }

    /// The order of that id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find(&self, id: &str) -> Result<Option<Order>, Error> {
        let found: Option<Stored> = self
            .database
            .query("SELECT * FROM orders WHERE id = $1")
            .bind(id)
            .fetch_optional()
            .await?;
        Ok(found.map(|found| found.0))
    }

    /// Takes a new order and publishes that it was; false where there is one of that id.
    ///
    /// # Errors
    /// When the database fails, or the order cannot be published.
    pub async fn insert(
        &self,
        transaction: &mut Transaction,
        order: &Order,
    ) -> Result<bool, Status> {
        let inserted = transaction
            .query(
                "INSERT INTO orders (id, user_id, item, quantity, total_cents, status, reason) \
                 VALUES ($1, $2, $3, $4, $5, 'pending', '') ON CONFLICT DO NOTHING",
            )
            .bind(&order.id)
            .bind(&order.user_id)
            .bind(&order.item)
            .bind(order.quantity)
            .bind(order.total_cents)
            .execute()
            .await?;
        if inserted == 0 {
            return Ok(false);
        }
        let created = OrderCreated {
            order: Some(order.clone()),
        };
        let message = Message::encode(&created).with_key(&order.user_id);
        self.outbox.publish(transaction, TOPIC, message).await?;
        Ok(true)
    }

    /// Notes why an order will be cancelled.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note(&self, id: &str, reason: &str) -> Result<(), Error> {
        self.database
            .query("UPDATE orders SET reason = $2 WHERE id = $1")
            .bind(id)
            .bind(reason)
            .execute()
            .await?;
        Ok(())
    }

    /// Ends an order that is pending: `confirmed` or `cancelled`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end(&self, id: &str, status: &str) -> Result<(), Error> {
        self.database
            .query("UPDATE orders SET status = $2 WHERE id = $1 AND status = 'pending'")
            .bind(id)
            .bind(status)
            .execute()
            .await?;
        Ok(())
    }
}
