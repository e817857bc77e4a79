//! Says at build time when the web page is missing. Never builds it: that needs Node, and a build must not.

use std::{fs, path::Path};

/// Where the page's build puts its files, which are embedded from there.
const PAGE: &str = "web/dist";

fn main() {
    // A path that does not exist would make every build start anew; an empty folder is watched like a full one. Where it
    // cannot be made (sources that are read-only), nothing is lost but that.
    let _ = fs::create_dir_all(PAGE);
    println!("cargo:rerun-if-changed={PAGE}");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=REQUIRE_UI");
    if Path::new(PAGE).join("index.html").exists() {
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
