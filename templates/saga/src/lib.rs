//! Work in several services that is done as a whole or undone.
//!
//! A saga is a list of steps. Each has an action and, when there is something to undo, a compensation.
//! When an action fails for good, the compensations of those before it run, in reverse.
//!
//! ```no_run
//! use saga::{Context, Failure, Saga, Sagas, Settings, Step, Store};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct PlaceOrder {
//!     user: String,
//!     amount: u32,
//! }
//!
//! struct Charge;
//!
//! impl Step for Charge {
//!     type Input = PlaceOrder;
//!     type Output = String;
//!     const NAME: &'static str = "charge";
//!
//!     async fn act(&self, order: &Context<PlaceOrder>) -> Result<String, Failure> {
//!         // payments.charge(…) with `order.key()`, so that it is charged once.
//!         Ok(format!("receipt for {}", order.input().amount))
//!     }
//!
//!     async fn compensate(
//!         &self,
//!         order: &Context<PlaceOrder>,
//!         receipt: Option<String>,
//!     ) -> Result<(), Failure> {
//!         // payments.refund(…): without a receipt it is not known whether anything was charged.
//!         Ok(())
//!     }
//! }
//!
//! # async fn example() -> Result<(), saga::Error> {
//! let sagas = Sagas::new(Store::memory(), Settings::default());
//! let place_order = sagas.add(Saga::new("place-order").step(Charge));
//! // In `main`: services.background("sagas", sagas.worker()).page("/sagas", sagas.page())
//!
//! let order = PlaceOrder { user: "ann".to_owned(), amount: 7 };
//! place_order.start("order-1", &order).await?;
//! let ended = place_order.wait("order-1").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//!
//! - What is about to begin is noted down before it begins. A process that dies leaves a saga that
//!   another one, or the next, takes up where it was, after [`Settings::lease`] at most.
//! - An action may run more than once, with the same [`Context::key`], and its compensation as well. So
//!   both have to be such that twice is as good as once: the service that is called keeps the key with
//!   what it does.
//! - A compensation also runs for an action of which it is not known whether it had its effect: it was
//!   tried without an answer, or its process died. It then gets no output. The action may even arrive
//!   after its compensation: a service that was asked to undo a key remembers that, and refuses it.
//! - One process at a time works on a saga. One that was thought dead, and was not, finds out with
//!   the next thing it wants to note down, and stops. Until then a step may run twice at the same time.
//! - In the end all actions have had their effect, or none, unless a compensation says that it never
//!   will succeed: then the saga is [`Status::Stuck`], which is logged, counted and seen on `/sagas`.
//! - Others see what is between: a saga is not isolated.
//!
//! # The map
//!
//! | what happens | where |
//! |---|---|
//! | steps, and how they fail | [`Step`], [`Failure`], [`Policy`] |
//! | they are put together, some side by side | [`Saga`] |
//! | sagas are started and waited for | [`Handle`] |
//! | they are taken up and worked on | [`Sagas::worker`] |
//! | **what comes next** (pure) | `machine` |
//! | where they are kept | [`Store`] |
//! | what `/sagas` shows | [`Sagas::page`] |

mod definition;
mod error;
mod failure;
mod handle;
mod machine;
mod metrics;
mod page;
mod perform;
mod policy;
mod run;
mod sagas;
mod settings;
mod status;
mod step;
mod store;
mod traces;
mod worker;

pub use definition::{Saga, Stage};
pub use error::Error;
pub use failure::Failure;
pub use handle::{Ended, Handle};
pub use policy::Policy;
pub use sagas::Sagas;
pub use settings::Settings;
pub use status::Status;
pub use step::{Context, Step};
pub use store::Store;
