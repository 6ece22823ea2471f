//! Values that travel with a trace: baggage by W3C's specification.
//!
//! What a caller sends along is there in the handler, and goes on to whatever the handler calls.
//! A handler may add to it:
//!
//! ```
//! # async fn call_others() {}
//! # async fn example() {
//! let tenant = chassis::baggage::get("tenant");
//! chassis::baggage::with([("plan", "gold")], call_others()).await;
//! # }
//! ```
//!
//! Callers write it, so it is no proof of anything, and others read it, so it is no place for
//! secrets. 64 values and 8192 bytes are passed on at most.

use std::future::Future;

use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::context::FutureExt;

/// The value of `key` in the current call.
#[must_use]
pub fn get(key: &str) -> Option<String> {
    Context::map_current(|context| context.baggage().get(key).map(ToString::to_string))
}

/// Runs `future` with `values` added to what the calls in it send along. A key that is not a
/// `token` (RFC 7230), such as one with a blank, is left out.
pub fn with<F: Future>(
    values: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    future: F,
) -> impl Future<Output = F::Output> {
    let context = Context::current();
    let mut baggage = opentelemetry::baggage::Baggage::new();
    for (key, (value, properties)) in context.baggage() {
        baggage.insert_with_metadata(key.clone(), value.clone(), properties.clone());
    }
    for (key, value) in values {
        baggage.insert(key.into(), value.into());
    }
    future.with_context(context.with_baggage(baggage))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::telemetry::propagation;

    #[tokio::test]
    async fn what_is_added_goes_along_and_ends_with_its_future() {
        let mut received = HeaderMap::new();
        received.insert("baggage", http::HeaderValue::from_static("tenant=acme"));
        let call = propagation::extract(&received);
        let handler = async {
            let inner = async {
                let mut sent = HeaderMap::new();
                propagation::inject(&Context::current(), &mut sent);
                let sent = sent["baggage"].to_str().expect("ASCII").to_owned();
                let mut members: Vec<String> = sent.split(',').map(Into::into).collect();
                members.sort();
                (members, get("tenant"), get("plan"))
            };
            let seen = with([("plan", "gold"), ("not a key", "x")], inner).await;
            (seen, get("tenant"), get("plan"))
        };
        let acme = Some("acme".to_owned());
        let members = ["plan=gold", "tenant=acme"].map(str::to_owned).to_vec();
        assert_eq!(
            handler.with_context(call).await,
            ((members, acme.clone(), Some("gold".to_owned())), acme, None)
        );
        assert_eq!(get("tenant"), None);
    }
}
