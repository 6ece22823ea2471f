//! The two text formats that Prometheus reads.
//!
//! OpenMetrics 1.0 is what the registry writes, with exemplars. Scrapers that do not ask for it get
//! the older format, which every tool understands: it names metrics as their samples are named, and
//! has no exemplars.

use http::{HeaderMap, header};

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
    OpenMetrics,
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>
    Prometheus,
}

impl Format {
    /// The format that a request with `headers` asks for. Who names OpenMetrics reads it; what else
    /// would be preferred does not matter, as nothing else is on offer.
    pub(crate) fn wanted(headers: &HeaderMap) -> Self {
        let mut accepted = headers.get_all(header::ACCEPT).iter();
        let open_metrics = accepted.any(|value| {
            let ranges = value.to_str().unwrap_or_default().split(',');
            let mut types = ranges.filter_map(|range| range.split(';').next());
            types.any(|name| {
                name.trim()
                    .eq_ignore_ascii_case("application/openmetrics-text")
            })
        });
        match open_metrics {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// OpenMetrics text in the older format.
pub(super) fn to_prometheus(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // It comes before the type, which it has to wait for.
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let Some((name, kind)) = rest.split_once(' ') else {
                continue;
            };
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "stateset" => ("", "gauge"),
                "unknown" => ("", "untyped"),
                _ => ("", kind),
            };
            for part in [
                "# HELP ",
                name,
                suffix,
                " ",
                help,
                "\n# TYPE ",
                name,
                suffix,
                " ",
                kind,
                "\n",
            ] {
                text.push_str(part);
            }
        } else if !line.starts_with('#') {
            text.push_str(without_exemplar(line));
            text.push('\n');
        }
    }
    text
}

/// A sample without what follows its value. The values of labels may hold anything, quoted.
fn without_exemplar(sample: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in sample.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'#' if !quoted => return sample[..at].trim_end(),
            _ => {}
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_older_format_names_samples_and_has_no_exemplars() {
        let open_metrics = r##"# HELP calls Calls that ended.
# TYPE calls counter
calls_total{path="a # {\"b\"}"} 2 # {trace_id="ab"} 1.0 1767225599.1
# HELP seconds How long.
# TYPE seconds histogram
# UNIT seconds seconds
seconds_sum 0.5
seconds_count 2
seconds_bucket{le="+Inf"} 2 # {trace_id="ab"} 0.4
# HELP build Which.
# TYPE build info
build_info{version="1"} 1
# EOF
"##;
        let expected = r##"# HELP calls_total Calls that ended.
# TYPE calls_total counter
calls_total{path="a # {\"b\"}"} 2
# HELP seconds How long.
# TYPE seconds histogram
seconds_sum 0.5
seconds_count 2
seconds_bucket{le="+Inf"} 2
# HELP build_info Which.
# TYPE build_info gauge
build_info{version="1"} 1
"##;
        assert_eq!(to_prometheus(open_metrics), expected);
    }

    #[test]
    fn open_metrics_is_for_those_who_ask_for_it() {
        let wanted = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            Format::wanted(&headers)
        };
        // What Prometheus 2 and 3 send, and what curl does.
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2";
        assert_eq!(wanted(prometheus), Format::OpenMetrics);
        assert_eq!(wanted("text/plain;version=0.0.4"), Format::Prometheus);
        assert_eq!(wanted("*/*"), Format::Prometheus);
        assert_eq!(Format::wanted(&HeaderMap::new()), Format::Prometheus);
    }
}
