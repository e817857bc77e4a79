//! What we depend on: how many packages, and that no lock file ties anybody to one registry. Knows
//! lock files; reads no code.

use super::{assert_none, root, walk};

/// Packages in `Cargo.lock`, the workspace's own included.
const PACKAGES_MAX: usize = 566;

#[test]
fn dependencies_are_counted_and_come_from_anywhere() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let packages = lock.lines().filter(|line| *line == "[[package]]").count();
    let over = (packages > PACKAGES_MAX).then(|| format!("Cargo.lock: {packages} packages of {PACKAGES_MAX}"));
    assert_none(
        &over.into_iter().collect::<Vec<_>>(),
        "every package is code that we ship without having read it, and time in every build",
        "leave default features out, or raise PACKAGES_MAX and say in the commit what the packages are for",
    );
    let mut findings = Vec::new();
    walk(&root(), &mut |path| {
        let is_lock = path.file_name().is_some_and(|name| name == "package-lock.json");
        if is_lock && std::fs::read_to_string(path).is_ok_and(|text| text.contains("\"resolved\"")) {
            findings.push(path.display().to_string());
        }
    });
    assert_none(
        &findings,
        "an address in a lock file ties everybody to one registry; the integrity hashes pin the packages without it",
        "put omit-lockfile-registry-resolved=true into the .npmrc beside it and run npm install again",
    );
}
