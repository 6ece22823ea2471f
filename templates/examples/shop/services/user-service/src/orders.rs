//! Counts the orders of each user, as they are published.

use chassis::background::Stop;
use messaging::{Broker, Delivery, Error, Failure, Inbox, Subscription};
use protocol::order::v1::OrderCreated;
use storage::Database;

/// What is published by the orders, and the group of those that count them.
const TOPIC: &str = "order-created";
const GROUP: &str = "user-service";

/// Handles what is published while the service runs.
pub fn worker(
    broker: &Broker,
    database: Database,
    inbox: Inbox,
) -> impl Fn(Stop) -> BoxFuture + Send + Sync + use<> {
    broker.worker(Subscription::new(TOPIC, GROUP), move |delivery| {
        let (database, inbox) = (database.clone(), inbox.clone());
        async move { count(&database, &inbox, &delivery).await }
    })
}

type BoxFuture = std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Counts an order once, however often it is delivered.
async fn count(database: &Database, inbox: &Inbox, delivery: &Delivery) -> Result<(), Failure> {
    let created: OrderCreated = delivery.decode()?;
    let order = created.order.unwrap_or_default();
    database
        .transaction(async |transaction| {
            if inbox.is_new(transaction, delivery).await? {
                transaction
                    .query("UPDATE users SET order_count = order_count + 1 WHERE id = $1")
                    .bind(&order.user_id)
                    .execute()
                    .await?;
            }
            Ok::<_, storage::Error>(())
        })
        .await?;
    Ok(())
}
