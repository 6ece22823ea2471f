//! The HTML page.

use super::*;

#[test]
fn the_page_needs_nothing_beside_itself_and_shows_all_charts() {
    let mut report = timed_report(1, 1.0, 0.3);
    report.thresholds = vec![judge(&"p99<1us".parse().expect("a threshold"), &report)];
    let page = html(&Reports::one(report.clone()));
    for outside in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    for shown in [
        "<title>user.v1.UserService/GetUser · msvc bench</title>",
        "<h3>Latency over time</h3>",
        "<h3>Calls a second</h3>",
        "<h3>Quantiles</h3>",
        "<h3>Heat map</h3>",
        "it is &lt;down&gt; (20 times)",
        "<td class=\"breached\">breached</td>",
        "prefers-color-scheme: dark",
    ] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    // What the page was made of stands in it.
    let (_, data) = page.split_once("id=\"report\">").expect("data");
    let (data, _) = data.split_once("</script>").expect("an end");
    let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(data, serde_json::to_value(&report).expect("serializes"));
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
}

#[test]
fn a_page_without_calls_has_no_charts() {
    let outcome = Outcome {
        recorder: Recorder::default(),
        elapsed: Duration::ZERO,
        end: End::Interrupted,
    };
    let model = Model::Closed { concurrency: 1 };
    let page = html(&Reports::one(conclude(
        subject(),
        &plan(model),
        &outcome,
        &[],
    )));
    assert!(!page.contains("class=\"plot\""), "{page}");
    assert!(page.contains("Invalid: it was interrupted before a measured call ended"));
}
