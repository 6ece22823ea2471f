use std::collections::BTreeMap;

use super::*;

#[test]
fn traces_are_also_configured_by_opentelemetrys_variables_unless_the_keys_are_set() {
    let standard = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4318/base"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x,a=1"),
        ("OTEL_SERVICE_NAME", "users"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "k8s.pod.name=users-1,zone=a%2Cb",
        ),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ];
    let config = Folder::new().load(&standard).expect("valid").tracing;
    let endpoint = |text: &str| Some(text.parse().expect("an endpoint"));
    let map = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()));
        pairs.collect::<BTreeMap<String, String>>()
    };
    let secrets = |pairs: &[(&str, &str)]| {
        let pairs = map(pairs).into_iter();
        pairs
            .map(|(key, value)| (key, Secret::new(value)))
            .collect()
    };
    let expected = Tracing {
        protocol: Some(OtlpProtocol::Http),
        endpoint: endpoint("http://otel:4318/base/v1/traces"),
        headers: secrets(&[("a", "1"), ("authorization", "Bearer x")]),
        sample_ratio: Ratio::new(0.25),
        parent_based: Some(false),
        service_name: Some("users".to_owned()),
        resource: map(&[("k8s.pod.name", "users-1"), ("zone", "a,b")]),
        ..Tracing::default()
    };
    assert_eq!(config, expected);

    let folder = Folder::new().file(
        "dev.toml",
        "[tracing]\nendpoint = \"http://c:1\"\nprotocol = \"grpc\"\nheaders = { b = \"2\" }\n\
         sample_ratio = 1\nparent_based = true\nservice_name = \"u\"\nresource = { zone = \"c\" }\n",
    );
    let config = folder.load(&standard).expect("valid").tracing;
    let expected = Tracing {
        protocol: Some(OtlpProtocol::Grpc),
        endpoint: endpoint("http://c:1"),
        headers: secrets(&[("b", "2")]),
        sample_ratio: Some(Ratio::ONE),
        parent_based: Some(true),
        service_name: Some("u".to_owned()),
        resource: map(&[("k8s.pod.name", "users-1"), ("zone", "c")]),
        ..Tracing::default()
    };
    assert_eq!(config, expected);

    let zipkin = [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        (
            "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
            "http://z:9411/api/v2/spans",
        ),
    ];
    let expected = Tracing {
        exporter: Some(TraceExporter::Zipkin),
        endpoint: endpoint("http://z:9411/api/v2/spans"),
        ..Tracing::default()
    };
    assert_eq!(
        Folder::new().load(&zipkin).expect("valid").tracing,
        expected
    );
    let disabled = [standard[0], ("OTEL_SDK_DISABLED", "true")];
    let expected = Tracing {
        exporter: Some(TraceExporter::None),
        ..Tracing::default()
    };
    assert_eq!(
        Folder::new().load(&disabled).expect("valid").tracing,
        expected
    );
}

#[test]
fn what_opentelemetrys_variables_say_wrongly_is_named() {
    for (name, value, rest) in [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://c",
            "`tracing.endpoint`: expected an address of the form \"http://host:port/path\", \
             got \"https://c\"",
        ),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "http/json",
            "`tracing.protocol`: expected \"grpc\" or \"http/protobuf\", got \"http/json\"",
        ),
        (
            "OTEL_TRACES_EXPORTER",
            "console",
            "`tracing.exporter`: expected \"otlp\", \"zipkin\" or \"none\", got \"console\"",
        ),
        (
            "OTEL_TRACES_SAMPLER",
            "jaeger_remote",
            "`tracing.sample_ratio`: expected a sampler such as \"parentbased_traceidratio\", \
             got \"jaeger_remote\"",
        ),
    ] {
        let expected = format!("failed to load the environment variable {name}: {rest}");
        assert_eq!(Folder::new().error(&[(name, value)]), expected);
    }
    // Headers are secrets, even malformed ones.
    assert_eq!(
        Folder::new().error(&[("OTEL_EXPORTER_OTLP_HEADERS", "s3cret")]),
        "failed to load the environment variable OTEL_EXPORTER_OTLP_HEADERS: `tracing.headers`: \
         expected pairs of the form \"key=value,key=value\""
    );
}
