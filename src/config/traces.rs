//! `[traces]`: where traces are sent.

use super::section::Section;
use super::settings::TraceSettings;

/// The path of traces below an endpoint (OTLP specification, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";

/// Reads `[traces]`.
pub(super) fn read(section: Section<'_>) -> Option<TraceSettings> {
    let given = section.need("otlp_endpoint");
    section.end();
    let given = given?;
    let text = given.text()?;
    let hint = "write the collector's address for OTLP over HTTP, such as \"http://127.0.0.1:4318\"".to_owned();
    let Some(rest) = text.strip_prefix("http://") else {
        let message = if text.starts_with("https://") {
            "TLS is not spoken here: let a collector on this machine pass the traces on".to_owned()
        } else {
            format!("`{text}` does not begin with http://")
        };
        given.problem_with_hint(message, Some(hint));
        return None;
    };
    let (authority, below) = rest.split_once('/').unwrap_or((rest, ""));
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_none() || authority.starts_with(':') {
        given.problem_with_hint(format!("`{authority}` is no host with a port"), Some(hint));
        return None;
    }
    let below = below.trim_end_matches('/');
    let path = if below.is_empty() { PATH.to_owned() } else { format!("/{below}{PATH}") };
    Some(TraceSettings { authority: authority.to_owned(), path })
}
