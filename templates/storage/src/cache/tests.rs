use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::oneshot;

use super::*;

type Texts = Cache<String, String>;

fn cache() -> Texts {
    Cache::new("test", &CacheSettings::default()).expect("there is no Redis")
}

/// Reads that are counted.
#[derive(Default)]
struct Source(AtomicU32);

impl Source {
    async fn read(&self, value: Option<&str>) -> Result<Option<String>, String> {
        self.0.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(value.map(str::to_owned))
    }

    async fn fail(&self) -> Result<Option<String>, String> {
        self.0.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
        Err("away".to_owned())
    }

    fn reads(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

fn text(value: &str) -> Result<Option<Arc<String>>, String> {
    Ok(Some(Arc::new(value.to_owned())))
}

#[tokio::test(start_paused = true)]
async fn a_value_is_read_once_until_it_is_too_old() {
    let (cache, source) = (cache(), Source::default());
    assert_eq!(cache.get("a", source.read(Some("1"))).await, text("1"));
    tokio::time::advance(Duration::from_secs(50)).await;
    assert_eq!(cache.get("a", source.read(Some("2"))).await, text("1"));
    assert_eq!(source.reads(), 1);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(cache.get("a", source.read(Some("2"))).await, text("2"));
}

#[tokio::test(start_paused = true)]
async fn that_there_is_no_value_is_kept_for_a_shorter_time() {
    let (cache, source) = (cache(), Source::default());
    assert_eq!(cache.get("a", source.read(None)).await, Ok(None));
    assert_eq!(cache.get("a", source.read(Some("1"))).await, Ok(None));
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(cache.get("a", source.read(Some("1"))).await, text("1"));
}

#[tokio::test(start_paused = true)]
async fn of_many_who_want_a_value_one_reads_it_and_all_share_the_outcome() {
    let (cache, source) = (cache(), Arc::new(Source::default()));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let (cache, source) = (cache.clone(), Arc::clone(&source));
        tasks.spawn(async move {
            match number % 2 {
                0 => (0, cache.get("good", source.read(Some("1"))).await),
                _ => (1, cache.get("bad", source.fail()).await),
            }
        });
    }
    let expected = [text("1"), Err("away".to_owned())];
    while let Some(ended) = tasks.join_next().await {
        let (which, outcome) = ended.expect("no panic");
        assert_eq!(outcome, expected[which]);
    }
    assert_eq!(source.reads(), 2);
    // An error is not kept.
    assert_eq!(cache.get("bad", source.read(Some("2"))).await, text("2"));
}

#[tokio::test(start_paused = true)]
async fn when_the_one_who_reads_gives_up_another_one_reads() {
    let (cache, source) = (cache(), Source::default());
    let hangs = cache.get("a", std::future::pending());
    let gives_up = tokio::time::timeout(Duration::from_millis(50), hangs);
    let waits = cache.get("a", source.read(Some("1")));
    let (given_up, value) = tokio::join!(gives_up, waits);
    given_up.expect_err("it gave up");
    assert_eq!(value, text("1"));
}

#[tokio::test(start_paused = true)]
async fn what_has_changed_while_it_was_read_is_not_kept() {
    let (cache, source) = (cache(), Source::default());
    let (changed, has_changed) = oneshot::channel();
    let old = cache.get("a", async {
        has_changed.await.expect("it changes");
        source.read(Some("old")).await
    });
    let change = async {
        cache.forget("a").await;
        changed.send(()).expect("it is read");
        // Whoever comes after the change does not wait for what is old.
        cache.get("a", source.read(Some("new"))).await
    };
    let (old, new) = tokio::join!(old, change);
    assert_eq!((old, new), (text("old"), text("new")));
    assert_eq!(
        cache.get("a", source.read(Some("newer"))).await,
        text("new")
    );
}

#[test]
fn values_are_kept_for_up_to_a_tenth_less() {
    let ttl = Duration::from_secs(100);
    let all: Vec<Duration> = (0..100).map(|_| shortened(ttl)).collect();
    assert!(
        all.iter()
            .all(|it| (Duration::from_secs(90)..=ttl).contains(it))
    );
    assert!(all.windows(2).any(|pair| pair[0] != pair[1]));
}
