//! The message of OTLP (`ExportTraceServiceRequest`) in its JSON form: ids in hexadecimal, 64-bit numbers as text.

use serde_json::{Value as Json, json};

use super::TraceContext;

/// OTLP's `SPAN_KIND_CONSUMER`: it takes what somebody else has put down.
const CONSUMER: u8 = 5;

/// OTLP's `SPAN_KIND_INTERNAL`.
const INTERNAL: u8 = 1;

/// OTLP's `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// The way of a file.
#[derive(Clone, Debug)]
pub struct FileSpan {
    /// Which.
    pub context: TraceContext,
    /// First sight, in nanoseconds since the epoch.
    pub start_ns: i128,
    /// Commit.
    pub end_ns: i128,
    /// Its stages, in order.
    pub stages: Vec<Stage>,
    /// What is known of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// Why it needs a person.
    pub error: Option<String>,
}

/// One stage.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// Its begin.
    pub start_ns: i128,
    /// Its end.
    pub end_ns: i128,
}

/// The value of an attribute.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number.
    Number(u64),
}

/// The message with these spans, as bytes.
pub(super) fn message(bridge: &str, spans: &[FileSpan]) -> Vec<u8> {
    let spans: Vec<Json> = spans.iter().flat_map(of_file).collect();
    let resource = [
        attribute("service.name", &Value::Text("dropbridge".to_owned())),
        attribute("service.version", &Value::Text(env!("CARGO_PKG_VERSION").to_owned())),
        attribute("service.instance.id", &Value::Text(bridge.to_owned())),
    ];
    let message = json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": { "name": "dropbridge" }, "spans": spans }],
    }] });
    message.to_string().into_bytes()
}

fn of_file(file: &FileSpan) -> Vec<Json> {
    let attributes: Vec<Json> = file.attributes.iter().map(|(name, value)| attribute(name, value)).collect();
    let mut root = span(&file.context, "file", CONSUMER, file.start_ns, file.end_ns);
    root["attributes"] = Json::Array(attributes);
    if let Some(error) = &file.error {
        root["status"] = json!({ "code": ERROR, "message": error });
    }
    let stages = file.stages.iter().map(|stage| {
        let own = file.context.within(stage.name);
        let mut span = span(&own, stage.name, INTERNAL, stage.start_ns, stage.end_ns);
        span["parentSpanId"] = Json::String(file.context.span_id());
        span
    });
    std::iter::once(root).chain(stages).collect()
}

fn span(context: &TraceContext, name: &str, kind: u8, start_ns: i128, end_ns: i128) -> Json {
    json!({
        "traceId": context.trace_id(),
        "spanId": context.span_id(),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": start_ns.to_string(),
        "endTimeUnixNano": end_ns.to_string(),
    })
}

fn attribute(name: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
    };
    json!({ "key": name, "value": value })
}
