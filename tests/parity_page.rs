//! The page for the owner of a department, in a browser.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use serde_json::Value;
use support::browser::{SCREEN, look_at};
use support::{FeedOptions, LogKind, Site};

/// What has to be seen without scrolling.
const FIRST_SCREEN: [&str; 5] = ["verdict", "dates", "counts", "sign", "report"];

#[test]
fn the_first_screen_has_verdict_dates_counts_and_what_is_signed_and_nothing_is_loaded() {
    let ready = "quiet_ms = 50\n[feed.parity]\ntolerance = { order.amount = \"0.01\" }".to_owned();
    let site = Site::uninitialised(LogKind::Embedded, &FeedOptions { ready, ..FeedOptions::default() });
    let legacy = site.path("ORD_20260131_0042.dat");
    let candidate = site.path("candidate.dat");
    let evil = "<img src=http://evil.example/x.png><script>fetch('http://evil.example')</script>";
    let rows: String = (0..300).map(|number| format!("{evil}{number}|{number}.00\n")).collect();
    for (said, changed, code) in [
        ("Parity", rows.replace("|7.00", "|7.01"), 0),
        ("No parity", rows.replace("0.00", "0.07").replace("9|", "9 |"), 1),
    ] {
        fs::write(&legacy, &rows).unwrap();
        fs::write(&candidate, &changed).unwrap();
        let page = site.path("page.html");
        let paths = [&legacy, &candidate, &page].map(|path| path.display().to_string());
        site.exits(&["parity", "--feed", "orders", &paths[0], &paths[1], "--html", &paths[2]], code);
        let Some(seen) = look_at(&page) else { return };
        let part = |id: &str| seen["parts"][id].clone();
        for id in FIRST_SCREEN {
            let side = |side: &str| part(id)[side].as_f64().unwrap_or_else(|| panic!("{id}: {seen}"));
            assert!(side("top") >= 0.0 && side("bottom") <= f64::from(SCREEN.1), "{id} is cut off: {}", part(id));
            assert!(side("left") >= 0.0 && side("right") <= f64::from(SCREEN.0), "{id} is cut off: {}", part(id));
        }
        let text = |id: &str| part(id)["text"].as_str().unwrap().to_owned();
        assert!(text("verdict").starts_with(said), "{}", text("verdict"));
        assert_eq!(text("dates"), "2026-01-31");
        assert!(text("counts").contains("300"), "{}", text("counts"));
        assert!(text("sign").contains("Signature") && text("sign").contains("owner of sales"), "{}", text("sign"));
        let nothing = Value::Array(Vec::new());
        assert_eq!((&seen["loading"], &seen["asked"]), (&nothing, &nothing), "nothing is loaded");
        assert_eq!(seen["served"], serde_json::json!(["/", "/page.html"]), "and nothing was asked for");
        assert!(seen["policy"].as_str().unwrap().starts_with("default-src 'none'"));
        assert!(seen["width"].as_u64().unwrap() <= u64::from(SCREEN.0), "no scrolling sideways");
    }
}
