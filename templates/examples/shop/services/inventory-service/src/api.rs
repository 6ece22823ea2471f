//! `InventoryService` as gRPC sees it. A key is used once: what is noted with it stays, so that a request
//! that comes twice, or after the one that undoes it, changes nothing.

use chassis::status::not_found;
use chassis::validate::Violations;
use protocol::inventory::v1::inventory_service_server::InventoryService;
use protocol::inventory::v1::{
    GetItemRequest, GetItemResponse, Item, ReleaseRequest, ReleaseResponse, ReserveRequest,
    ReserveResponse,
};
use storage::{Database, Error, FromRow, Row};
use tonic::{Request, Response, Status};

/// `InventoryService` over a database.
#[derive(Debug)]
pub struct InventoryApi {
    database: Database,
}

/// A row of `items`.
struct StoredItem(Item);

impl FromRow for StoredItem {
    fn from_row(row: &Row) -> Result<Self, Error> {
        Ok(Self(Item {
            name: row.get("name")?,
            price_cents: row.get("price_cents")?,
            stock: row.get("stock")?,
        }))
    }
}

/// A row of `reservations`.
struct Reservation {
    item: String,
    quantity: i64,
}

impl FromRow for Reservation {
    fn from_row(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            item: row.get("item")?,
            quantity: row.get("quantity")?,
        })
    }
}

impl InventoryApi {
    /// Serves what is in the database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[tonic::async_trait]
impl InventoryService for InventoryApi {
    async fn get_item(
        &self,
        request: Request<GetItemRequest>,
    ) -> Result<Response<GetItemResponse>, Status> {
        let name = request.into_inner().name;
        let found: Option<StoredItem> = self
            .database
            .query("SELECT * FROM items WHERE name = $1")
            .bind(&name)
            .fetch_optional()
            .await?;
        let item = found.ok_or_else(|| not_found("item", name))?.0;
        Ok(Response::new(GetItemResponse { item: Some(item) }))
    }

    async fn reserve(
        &self,
        request: Request<ReserveRequest>,
    ) -> Result<Response<ReserveResponse>, Status> {
        let ReserveRequest {
            key,
            item,
            quantity,
        } = request.into_inner();
        Violations::new()
            .require(!key.is_empty(), "key", "must not be empty")
            .require(quantity > 0, "quantity", "must be positive")
            .finish()?;
        self.database
            .transaction(async |transaction| {
                // Whoever comes first with a key decides; others wait here until that is done.
                let noted = transaction
                    .query(
                        "INSERT INTO reservations (key, item, quantity, state) \
                         VALUES ($1, $2, $3, 'reserved') ON CONFLICT DO NOTHING",
                    )
                    .bind(&key)
                    .bind(&item)
                    .bind(quantity)
                    .execute()
                    .await?;
                if noted == 0 {
                    let state: String = transaction
                        .query("SELECT state FROM reservations WHERE key = $1")
                        .bind(&key)
                        .fetch_one()
                        .await?;
                    return match state.as_str() {
                        "reserved" => Ok(()),
                        _ => Err(Status::failed_precondition("it was released before")),
                    };
                }
                let taken = transaction
                    .query("UPDATE items SET stock = stock - $2 WHERE name = $1 AND stock >= $2")
                    .bind(&item)
                    .bind(quantity)
                    .execute()
                    .await?;
                match taken {
                    0 => Err(Status::failed_precondition(format!(
                        "there are not {quantity} of `{item}`"
                    ))),
                    _ => Ok(()),
                }
            })
            .await?;
        Ok(Response::new(ReserveResponse {}))
    }

    async fn release(
        &self,
        request: Request<ReleaseRequest>,
    ) -> Result<Response<ReleaseResponse>, Status> {
        let key = request.into_inner().key;
        self.database
            .transaction(async |transaction| {
                // What was not reserved yet will not be.
                transaction
                    .query(
                        "INSERT INTO reservations (key, item, quantity, state) \
                         VALUES ($1, '', 0, 'released') ON CONFLICT DO NOTHING",
                    )
                    .bind(&key)
                    .execute()
                    .await?;
                let released: Option<Reservation> = transaction
                    .query(
                        "UPDATE reservations SET state = 'released' \
                         WHERE key = $1 AND state = 'reserved' RETURNING item, quantity",
                    )
                    .bind(&key)
                    .fetch_optional()
                    .await?;
                if let Some(Reservation { item, quantity }) = released {
                    transaction
                        .query("UPDATE items SET stock = stock + $2 WHERE name = $1")
                        .bind(item)
                        .bind(quantity)
                        .execute()
                        .await?;
                }
                Ok::<_, Status>(())
            })
            .await?;
        Ok(Response::new(ReleaseResponse {}))
    }
}
