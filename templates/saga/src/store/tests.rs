use super::*;

fn new(id: &str) -> New {
    New {
        key: Key {
            saga: "order".to_owned(),
            id: id.into(),
        },
        input: "7".to_owned(),
        trace: "[]".to_owned(),
    }
}

fn claim(owner: &str, now: i64) -> Claim<'_> {
    let lease_until = now + 100;
    Claim {
        owner,
        now,
        lease_until,
    }
}

async fn ids(store: &Store, filter: Filter) -> Vec<String> {
    let limit = 10;
    let seen = store
        .list(&Filter { limit, ..filter })
        .await
        .expect("a list");
    seen.iter().map(|it| it.key.id.to_string()).collect()
}

/// What holds in every store.
async fn check(store: &Store) {
    assert!(store.insert(new("a"), 0).await.expect("no error"));
    assert!(
        !store.insert(new("a"), 1).await.expect("no error"),
        "it is there"
    );
    assert!(store.insert(new("b"), 1).await.expect("no error"));

    // Each is worked on by one, and the longest waiting is first.
    let first = store
        .claim("order", claim("one", 10), 1)
        .await
        .expect("no error");
    let mut a = first.into_iter().next().expect("one is due");
    assert_eq!((&*a.key.id, &*a.input, a.fence), ("a", "7", 1));
    let second = store
        .claim("order", claim("two", 10), 9)
        .await
        .expect("no error");
    assert_eq!(second.len(), 1);
    assert_eq!(&*second[0].key.id, "b");
    let none = store
        .claim("other", claim("two", 999), 9)
        .await
        .expect("no error");
    assert!(none.is_empty());

    // One that is heard of keeps it.
    assert!(store.renew(&a, 300).await.expect("no error"));
    let none = store
        .claim("order", claim("two", 299), 1)
        .await
        .expect("no error");
    assert_eq!(none.len(), 1, "that is b");
    let again = store
        .claim("order", claim("three", 300), 1)
        .await
        .expect("no error");
    assert_eq!((&*again[0].key.id, again[0].fence), ("a", 2));

    // One that was thought dead changes nothing.
    a.journal.status = Status::Completed;
    assert!(!store.save(&a, 0, 301).await.expect("no error"));
    assert!(!store.renew(&a, 999).await.expect("no error"));
    let journal = store.find(&a.key).await.expect("no error");
    assert_eq!(journal, Some(Journal::default()));

    // What is stuck waits for somebody, and what has ended is forgotten.
    let mut a = again.into_iter().next().expect("it was taken");
    a.journal.status = Status::Stuck;
    assert!(store.save(&a, 0, 302).await.expect("no error"));
    let late = a.clone();
    assert!(
        store
            .claim("order", claim("one", 390), 9)
            .await
            .expect("no error")
            .is_empty()
    );
    assert!(store.resume(&a.key, 303).await.expect("no error"));
    assert!(
        !store.resume(&a.key, 303).await.expect("no error"),
        "it is not stuck"
    );
    // Whoever found it stuck, and is late, does not do so again.
    assert!(!store.save(&late, 0, 303).await.expect("no error"));
    let taken = store
        .claim("order", claim("one", 303), 1)
        .await
        .expect("no error");
    let mut a = taken.into_iter().next().expect("it is due");
    assert_eq!((a.fence, a.journal.status), (4, Status::Compensating));
    assert_eq!(ids(store, Filter::default()).await, ["b", "a"]);
    a.journal.status = Status::Compensated;
    assert!(store.save(&a, 0, 400).await.expect("no error"));
    assert_eq!(ids(store, Filter::default()).await, ["b"]);
    let compensated = Filter {
        status: Some(Status::Compensated),
        ..Filter::default()
    };
    assert_eq!(ids(store, compensated).await, ["a"]);
    let by_id = Filter {
        id: Some("a".to_owned()),
        ..Filter::default()
    };
    assert_eq!(ids(store, by_id).await, ["a"]);
    assert_eq!(store.forget(400, 9).await.expect("no error"), 0);
    assert_eq!(store.forget(401, 9).await.expect("no error"), 1);
    assert_eq!(store.find(&a.key).await.expect("no error"), None);

    // Not too many at once: those, and b.
    for id in ["c", "d", "e"] {
        assert!(store.insert(new(id), 500).await.expect("no error"));
    }
    let ended = store.claim("order", claim("one", 500), 9).await;
    for mut ended in ended.expect("no error") {
        ended.journal.status = Status::Completed;
        assert!(store.save(&ended, 0, 500).await.expect("no error"));
    }
    for forgotten in [2, 2, 0] {
        let count = store.forget(501, 2).await.expect("no error");
        assert_eq!(count, forgotten);
    }
}

#[tokio::test]
async fn sagas_in_memory_are_worked_on_by_one_at_a_time() {
    check(&Store::memory()).await;
}

#[cfg(feature = "storage")]
#[tokio::test]
async fn sagas_in_a_database_are_worked_on_by_one_at_a_time() {
    let database = storage::testing::database(&[]).await;
    check(&Store::database(&database).await.expect("a store")).await;
}
