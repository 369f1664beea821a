//! `[http]`: where a running bridge answers over HTTP.

use super::section::Section;
use super::settings::HttpSettings;

/// Reads `[http]`; without `listen` nothing listens.
pub(super) fn read(section: Section<'_>) -> Option<HttpSettings> {
    let given = section.need("listen");
    section.end();
    let given = given?;
    let text = given.text()?;
    match text.parse() {
        Ok(listen) => {
            let place = given.place();
            Some(HttpSettings { listen, stated: format!("{place}: {}", place.key) })
        }
        Err(_) => {
            let hint = "write an address and a port, such as \"127.0.0.1:9847\" or \"[::1]:9847\"";
            given.problem_with_hint(format!("`{text}` is no address with a port"), Some(hint.to_owned()));
            None
        }
    }
}
