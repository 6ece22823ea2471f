//! Leases, and what they hold.

use std::time::Duration;

use msvc::infra::embedded::etcd::proto::etcdserverpb::{WatchCreateRequest, WatchResponse};

use super::stores::{Ask, Pair, Side};
use crate::support::differences::{Differences, within_deadline};

#[tokio::test]
async fn leases_are_granted_kept_told_and_revoked_alike() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let mut differences = Differences::default();
    for ask in [
        Ask::Leases,
        Ask::Grant { id: 7, ttl: 600 },
        Ask::Grant { id: 7, ttl: 600 },
        Ask::Grant { id: 8, ttl: 1 },
        Ask::Grant { id: 9, ttl: -3 },
        Ask::Grant {
            id: 10,
            ttl: 9_000_000_000,
        },
        Ask::Grant {
            id: 11,
            ttl: 9_000_000_001,
        },
        Ask::KeepAlive(7),
        Ask::KeepAlive(99),
        Ask::hold("b", 7),
        Ask::hold("a", 7),
        Ask::hold("a", 10),
        Ask::put("b", "free"),
        Ask::hold("c", 7),
        Ask::hold("d", 7),
        Ask::delete("d", ""),
        Ask::Revoke(99),
        Ask::Revoke(10),
        Ask::get("a"),
        Ask::Revoke(7),
        Ask::Revoke(7),
        Ask::TimeToLive(7),
        Ask::get("b"),
        Ask::get("c"),
    ] {
        differences.compare(&format!("{ask:?}"), pair.ask(&ask).await);
        // A second is passed between the answers of the two now and then.
        if matches!(ask, Ask::Leases) {
            continue;
        }
        if let (Ok(real), Ok(embedded)) = pair.ask(&Ask::TimeToLive(7)).await {
            let told = |text: String| text.replace("ttl: 599", "ttl: 600");
            let what = format!("what is left after {ask:?}");
            differences.compare(&what, (told(real), told(embedded)));
        }
    }
    for (one, two) in [(21, 22), (22, 21)] {
        for (id, ttl) in [(one, 300), (two, 500)] {
            differences.compare("a lease", pair.ask(&Ask::Grant { id, ttl }).await);
        }
        differences.compare("those that end first", pair.ask(&Ask::Leases).await);
        for id in [one, two] {
            differences.compare("its end", pair.ask(&Ask::Revoke(id)).await);
        }
    }
}

#[tokio::test]
async fn a_server_chooses_ids_for_those_who_want_any() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    for side in [&pair.real, &pair.embedded] {
        let answers = [
            side.ask(&Ask::Grant { id: 0, ttl: 60 }).await,
            side.ask(&Ask::Grant { id: 0, ttl: 60 }).await,
        ];
        let [one, other] = answers.map(|answer| answer.expect("a lease"));
        assert_ne!(one, other);
        assert!(!one.contains(" id: 0,") && !one.contains(" id: -"), "{one}");
    }
}

/// What a watch tells when a lease that holds several keys is over.
async fn expire(side: &Side) -> WatchResponse {
    side.ask(&Ask::Grant { id: 5, ttl: 2 })
        .await
        .expect("a lease");
    for key in ["b", "a", "c"] {
        side.ask(&Ask::hold(key, 5)).await.expect("a key");
    }
    side.ask(&Ask::put("c", "free")).await.expect("a key");
    let mut watching = side.watch();
    let create = WatchCreateRequest {
        key: vec![0],
        range_end: vec![0],
        prev_kv: true,
        ..WatchCreateRequest::default()
    };
    watching.create(create).await;
    let response = watching.next().await;
    let lost = side.ask(&Ask::KeepAlive(5)).await.expect("an answer");
    assert!(lost.contains("ttl: 0"), "{lost}");
    response
}

#[tokio::test]
async fn keys_of_a_lease_that_is_over_go_at_one_revision() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let (real, embedded) = pair.both(expire).await;
    assert_eq!(real, embedded);
    let keys = embedded.events.iter().map(|event| {
        let kv = event.kv.as_ref().expect("a key");
        (
            String::from_utf8_lossy(&kv.key).into_owned(),
            kv.mod_revision,
        )
    });
    let keys: Vec<_> = keys.collect();
    assert_eq!(keys, [("a".to_owned(), 6), ("b".to_owned(), 6)]);
}

#[tokio::test]
async fn a_lease_that_is_kept_alive_holds_its_keys() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let kept = async |side: &Side| {
        side.ask(&Ask::Grant { id: 5, ttl: 2 })
            .await
            .expect("a lease");
        side.ask(&Ask::Grant { id: 6, ttl: 2 })
            .await
            .expect("a lease");
        side.ask(&Ask::hold("kept", 5)).await.expect("a key");
        side.ask(&Ask::hold("left", 6)).await.expect("a key");
        let left = async {
            while side.value("left").await.is_some() {
                side.ask(&Ask::KeepAlive(5)).await.expect("an answer");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        within_deadline("the end of a lease", left).await;
        side.value("kept").await
    };
    let (real, embedded) = pair.both(kept).await;
    assert_eq!((real, embedded), (Some(Vec::new()), Some(Vec::new())));
}
