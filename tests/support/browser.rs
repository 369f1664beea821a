//! A page in a headless Chromium, as whoever opens it sees it: where its parts stand, and what it asked for.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// The size of a usual screen, in pixels.
pub const SCREEN: (u32, u32) = (1280, 800);

/// Shows the page in a frame of that size and says what became of it.
const HARNESS: &str = r#"<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,">
<iframe id="frame" style="width:WIDTHpx;height:HEIGHTpx;border:0"></iframe><pre id="out"></pre>
<script>
const frame = document.getElementById('frame');
frame.addEventListener('load', () => {
  const page = frame.contentDocument;
  const part = element => {
    const box = element.getBoundingClientRect();
    return { top: box.top, bottom: box.bottom, left: box.left, right: box.right, text: element.innerText };
  };
  const parts = {};
  for (const element of page.querySelectorAll('[id]')) parts[element.id] = part(element);
  const loading = 'script,link,img,iframe,object,embed,form,video,audio,[src],[href],[srcset],[style*=url]';
  document.getElementById('out').textContent = JSON.stringify({
    parts,
    loading: [...page.querySelectorAll(loading)].map(element => element.outerHTML),
    asked: frame.contentWindow.performance.getEntriesByType('resource').map(entry => entry.name),
    policy: page.querySelector('meta[http-equiv]').content,
    width: page.documentElement.scrollWidth,
  });
});
frame.src = '/page.html';
</script>"#;

/// What a browser says of a page: `parts` by id, `loading` elements, what it `asked` for, its `policy`, its `width`; and
/// in `served` what our server was asked for. `None` without Chromium: a skip that was said by name; in CI a failure.
pub fn look_at(page: &Path) -> Option<Value> {
    let html = std::fs::read_to_string(page).unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let served = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&served);
    thread::spawn(move || {
        for stream in server.incoming().flatten() {
            let (html, noted) = (html.clone(), Arc::clone(&noted));
            // A browser opens connections that it may never use.
            thread::spawn(move || serve(&stream, &html, &noted));
        }
    });
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new("chromium");
    command
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--virtual-time-budget=20000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", &format!("http://{address}/")]);
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            let strict =
                std::env::var_os("CI").is_some() || std::env::var_os("DROPBRIDGE_TEST_DISALLOW_SKIP").is_some();
            assert!(!strict, "chromium: {error}: run `cargo xtask test`");
            eprintln!("skipped: the page in a browser: chromium: {error}; `cargo xtask test` brings it");
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let told = text.split_once("<pre id=\"out\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let told = told.map(|(told, _)| told.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"));
    let told = told.filter(|told| !told.is_empty());
    let told = told.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)));
    let mut told: Value = serde_json::from_str(&told).unwrap();
    told["served"] = served.lock().unwrap().iter().cloned().collect::<Vec<String>>().into();
    Some(told)
}

fn serve(mut stream: &TcpStream, page: &str, noted: &Mutex<BTreeSet<String>>) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    lines.map_while(Result::ok).find(String::is_empty)?;
    let harness = HARNESS.replace("WIDTH", &SCREEN.0.to_string()).replace("HEIGHT", &SCREEN.1.to_string());
    let (status, body) = match path.as_str() {
        "/" => ("200 OK", harness.as_str()),
        "/page.html" => ("200 OK", page),
        _ => ("404 Not Found", ""),
    };
    noted.lock().unwrap().insert(path);
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).ok()
}
