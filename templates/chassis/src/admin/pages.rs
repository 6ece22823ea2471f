//! Pages that the parts of a service add to its admin server.

use std::error::Error as StdError;
use std::fmt;

use serde::Serialize;

use crate::task::{self, Boxed};

type BoxError = Box<dyn StdError + Send + Sync>;

/// A path and what stands there, as JSON.
pub(crate) struct Page {
    pub(super) path: &'static str,
    render: Box<dyn Fn(String) -> Boxed<Result<String, BoxError>> + Send + Sync>,
}

impl Page {
    pub(crate) fn new<P, F, T, E>(path: &'static str, page: P) -> Self
    where
        P: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: Into<BoxError>,
    {
        Self {
            path,
            render: Box::new(move |query| {
                let content = page(query);
                task::boxed(async move {
                    let content = content.await.map_err(Into::into)?;
                    Ok(serde_json::to_string(&content)?)
                })
            }),
        }
    }

    /// The page, for what stands after the `?` of a request.
    pub(super) async fn render(&self, query: &str) -> Result<String, BoxError> {
        (self.render)(query.to_owned()).await
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Page").field(&self.path).finish()
    }
}
