//! A disk that is full in the middle of a load: it is said, serving goes on, and once there is room so does the harvest.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::harness::{
    Db, Place, Program, Reply, Scratch, Upstream,
    cluster::{Cluster, Options},
    eventually, on_both,
};

on_both!(a_full_disk_is_waited_for);

const DEFINITION: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
    type Thing @fetch(source: \"up\", every: \"1s\", GET: \"/things?page={$page}\", rows: \".rows[]\", pages: {last: \".pages\"}, missing: DELETE) {\n\
      id: ID! text: String! }\n";

const PAGES: usize = 30;
const PER_PAGE: usize = 100;
/// Bytes of each row's text: a page is 200 kB, and all of it is some times what is left on the disk.
const TEXT: usize = 2_000;

/// A disk of its own, small enough to be filled. Needs the right to mount, which root has.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn new(megabytes: u32) -> Disk {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={megabytes}m,mode=777");
        let mut mount = std::process::Command::new("mount");
        let status = mount
            .args(["-t", "tmpfs", "-o", &size, "hayloft-small-disk"])
            .arg(folder.path())
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "this test mounts a small disk: run it as root, or in a container"
        );
        Disk { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Leaves only so many bytes.
    fn fill(&self, left: u64) {
        let mut ballast = std::fs::File::create(self.ballast()).expect("the ballast");
        let mut bytes = 0;
        while let Ok(count) = ballast.write(&[1; 1 << 16]) {
            bytes += count as u64;
        }
        ballast.set_len(bytes.saturating_sub(left)).expect("leave some room");
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("free the disk");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever still ends may have files open.
        let _ = std::process::Command::new("umount")
            .arg("--lazy")
            .arg(self.path())
            .status();
    }
}

/// A disk with the database on it, and the server if there is one.
fn place(db: Db) -> (Place, Option<Cluster>, Disk) {
    match db {
        Db::Sqlite => {
            let disk = Disk::new(40);
            let path = disk.path().join("things.db").display().to_string();
            (Place::Elsewhere(format!("sqlite:{path}")), None, disk)
        }
        Db::Postgres => {
            let disk = Disk::new(160);
            let settings = [
                "max_wal_size = 32MB",
                "min_wal_size = 32MB",
                "wal_level = minimal",
                "max_wal_senders = 0",
            ];
            let cluster = Cluster::start(&Options {
                within: Some(disk.path().to_owned()),
                settings: settings.map(str::to_owned).to_vec(),
                ..Options::default()
            });
            let place = Place::Elsewhere(cluster.url(&cluster.create_database()));
            (place, Some(cluster), disk)
        }
    }
}

fn row(id: usize) -> Value {
    json!({ "id": id.to_string(), "text": format!("{id} ").repeat(TEXT / 5) })
}

fn publish(upstream: &Upstream, pages: usize) {
    upstream.handle(move |path| {
        let page: usize = path.strip_prefix("/things?page=")?.parse().ok()?;
        let rows: Vec<Value> = (0..PER_PAGE).map(|at| row((page - 1) * PER_PAGE + at)).collect();
        Some(Reply::json(&json!({ "rows": rows, "pages": pages })))
    });
}

async fn count(program: &Program) -> usize {
    let data = program.query("{ things { id } }").await;
    data["things"].as_array().map_or(0, Vec::len)
}

async fn ready(program: &Program) -> (u16, String) {
    let response = program.client().get(format!("{}/readyz", program.url)).send().await;
    let response = response.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("a body"))
}

async fn a_full_disk_is_waited_for(db: Db) {
    let (place, cluster, disk) = place(db);
    let upstream = Upstream::start().await;
    publish(&upstream, 1);
    let scratch = Scratch::at(place, DEFINITION);
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    let program = scratch.serve(&environment).await;
    eventually("the first page", || async {
        (count(&program).await == PER_PAGE).then_some(())
    })
    .await;
    disk.fill(1 << 20);
    publish(&upstream, PAGES);
    eventually(&format!("it says that the disk is full; {}", program.log()), || async {
        let log = program.log();
        log.contains("disk is full; free some space").then_some(())
    })
    .await;
    // It is told to whoever asks how the process is, which goes on serving.
    let (status, told) = ready(&program).await;
    assert!(status == 200 && told.contains("disk is full"), "{status} {told}");
    // What is there is served on.
    assert!(
        (PER_PAGE..PAGES * PER_PAGE).contains(&count(&program).await),
        "{}",
        program.log()
    );
    disk.free();
    eventually(&format!("all rows; {}", program.log()), || async {
        (count(&program).await == PAGES * PER_PAGE).then_some(())
    })
    .await;
    eventually("it says no more that it cannot write", || async {
        (!ready(&program).await.1.contains("disk is full")).then_some(())
    })
    .await;
    let stored = scratch.rows("SELECT id,text FROM thing").await;
    let wrong = stored.iter().find(|stored| {
        let id = stored[0].parse().expect("a number");
        row(id)["text"] != stored[1].as_str()
    });
    assert_eq!(wrong, None);
    let log = "SELECT max(seq)-min(seq)+1-count(*) FROM hayloft_change_log";
    assert_eq!(scratch.rows(log).await, [["0"]]);
    if db == Db::Sqlite {
        assert_eq!(scratch.rows("PRAGMA integrity_check").await, [["ok"]]);
    }
    assert_eq!(program.terminate().await, Some(0));
    drop((cluster, disk));
}
