//! Says at build time when the web page is missing. Never builds it: that needs Node, and a build must not.

use std::path::Path;

fn main() {
    // Only the presence of the built page matters here; its files are read by the embedding itself.
    println!("cargo:rerun-if-changed=web/dist/index.html");
    println!("cargo:rerun-if-env-changed=REQUIRE_UI");
    if Path::new("web/dist/index.html").exists() {
        return;
    }
    let message = "web/dist is missing: the binary will serve a small fallback page. For the whole one: \
                   cd web && npm ci && npm run build";
    if std::env::var_os("REQUIRE_UI").is_some() {
        println!("cargo:error={message}");
    } else {
        println!("cargo:warning={message}");
    }
}
