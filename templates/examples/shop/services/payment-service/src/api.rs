//! `PaymentService` as gRPC sees it. A key is used once: what is noted with it stays, so that a request that
//! comes twice, or after the one that undoes it, changes nothing.

use chassis::validate::Violations;
use protocol::payment::v1::payment_service_server::PaymentService;
use protocol::payment::v1::{
    ChargeRequest, ChargeResponse, GetBalanceRequest, GetBalanceResponse, RefundRequest,
    RefundResponse,
};
use storage::{Database, Error, FromRow, Row};
use tonic::{Request, Response, Status};

/// `PaymentService` over a database.
#[derive(Debug)]
pub struct PaymentApi {
    database: Database,
    opening_balance_cents: i64,
}

/// A row of `payments`.
struct Payment {
    user_id: String,
    amount_cents: i64,
}

impl FromRow for Payment {
    fn from_row(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            user_id: row.get("user_id")?,
            amount_cents: row.get("amount_cents")?,
        })
    }
}

impl PaymentApi {
    /// Serves what is in the database; who pays for the first time has an opening balance.
    pub fn new(database: Database, opening_balance_cents: i64) -> Self {
        Self {
            database,
            opening_balance_cents,
        }
    }
}

#[tonic::async_trait]
impl PaymentService for PaymentApi {
    async fn get_balance(
        &self,
        request: Request<GetBalanceRequest>,
    ) -> Result<Response<GetBalanceResponse>, Status> {
        let balance: Option<i64> = self
            .database
            .query("SELECT balance_cents FROM accounts WHERE user_id = $1")
            .bind(request.into_inner().user_id)
            .fetch_optional()
            .await?;
        Ok(Response::new(GetBalanceResponse {
            balance_cents: balance.unwrap_or(self.opening_balance_cents),
        }))
    }

    async fn charge(
        &self,
        request: Request<ChargeRequest>,
    ) -> Result<Response<ChargeResponse>, Status> {
        let ChargeRequest {
            key,
            user_id,
            amount_cents,
        } = request.into_inner();
        Violations::new()
            .require(!key.is_empty(), "key", "must not be empty")
            .require(!user_id.is_empty(), "user_id", "must not be empty")
            .require(amount_cents > 0, "amount_cents", "must be positive")
            .finish()?;
        self.database
            .transaction(async |transaction| {
                // Whoever comes first with a key decides; others wait here until that is done.
                let noted = transaction
                    .query(
                        "INSERT INTO payments (key, user_id, amount_cents, state) \
                         VALUES ($1, $2, $3, 'charged') ON CONFLICT DO NOTHING",
                    )
                    .bind(&key)
                    .bind(&user_id)
                    .bind(amount_cents)
                    .execute()
                    .await?;
                if noted == 0 {
                    let state: String = transaction
                        .query("SELECT state FROM payments WHERE key = $1")
                        .bind(&key)
                        .fetch_one()
                        .await?;
                    return match state.as_str() {
                        "charged" => Ok(()),
                        _ => Err(Status::failed_precondition("it was refunded before")),
                    };
                }
                transaction
                    .query(
                        "INSERT INTO accounts (user_id, balance_cents) VALUES ($1, $2) \
                         ON CONFLICT DO NOTHING",
                    )
                    .bind(&user_id)
                    .bind(self.opening_balance_cents)
                    .execute()
                    .await?;
                let taken = transaction
                    .query(
                        "UPDATE accounts SET balance_cents = balance_cents - $2 \
                         WHERE user_id = $1 AND balance_cents >= $2",
                    )
                    .bind(&user_id)
                    .bind(amount_cents)
                    .execute()
                    .await?;
                match taken {
                    0 => Err(Status::failed_precondition(format!(
                        "`{user_id}` has less than {amount_cents} cents"
                    ))),
                    _ => Ok(()),
                }
            })
            .await?;
        Ok(Response::new(ChargeResponse {}))
    }

    async fn refund(
        &self,
        request: Request<RefundRequest>,
    ) -> Result<Response<RefundResponse>, Status> {
        let key = request.into_inner().key;
        self.database
            .transaction(async |transaction| {
                // What was not charged yet will not be.
                transaction
                    .query(
                        "INSERT INTO payments (key, user_id, amount_cents, state) \
                         VALUES ($1, '', 0, 'refunded') ON CONFLICT DO NOTHING",
                    )
                    .bind(&key)
                    .execute()
                    .await?;
                let refunded: Option<Payment> = transaction
                    .query(
                        "UPDATE payments SET state = 'refunded' \
                         WHERE key = $1 AND state = 'charged' RETURNING user_id, amount_cents",
                    )
                    .bind(&key)
                    .fetch_optional()
                    .await?;
                if let Some(Payment {
                    user_id,
                    amount_cents,
                }) = refunded
                {
                    transaction
                        .query(
                            "UPDATE accounts SET balance_cents = balance_cents + $2 \
                             WHERE user_id = $1",
                        )
                        .bind(user_id)
                        .bind(amount_cents)
                        .execute()
                        .await?;
                }
                Ok::<_, Status>(())
            })
            .await?;
        Ok(Response::new(RefundResponse {}))
    }
}
