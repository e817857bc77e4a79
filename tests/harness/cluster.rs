//! Throwaway PostgreSQL clusters made with the server binaries of this machine. Std alone; knows nothing of Hayloft.
//!
//! A cluster goes when the process that made it ends, however it ends: a small shell, a child of ours, waits for the end of a
//! pipe that only we hold, then stops the server and removes the folder. The store's unit tests include this file too.

// Each of the two that include this file uses a part of it.
#![allow(dead_code)]

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// The one role, which may do all.
pub const USER: &str = "hayloft";

/// Waits for the end of its input, then stops the server of the folder `$1` and removes that. It may find `initdb` or a start still
/// under way, so it tries for a while. Signals of the terminal are for the tests: it ends after them.
const SUPERVISOR: &str = r#"
trap '' HUP INT TERM
cat >/dev/null
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    [ -f "$1/data/postmaster.pid" ] && "$2/pg_ctl" stop -D "$1/data" -m immediate -t 10
    rm -rf "$1" && [ ! -e "$1" ] && exit 0
    sleep 1
done
"#;

/// How a cluster is to be.
#[derive(Clone, Default)]
pub struct Options {
    /// Whether it syncs to disk, which only tests of crashes of the database itself need.
    pub durable: bool,
    /// Where its folder is made; in the folder for temporary files otherwise.
    pub within: Option<PathBuf>,
    /// More lines for `postgresql.conf`.
    pub settings: Vec<String>,
    /// A certificate and its key in PEM. A cluster that has them refuses plain connections over TCP.
    pub tls: Option<(String, String)>,
}

pub struct Cluster {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
    supervisor: Child,
}

/// A database of one test; dropped with it.
pub struct Database {
    name: String,
    cluster: &'static Cluster,
}

impl Database {
    /// A new, empty database in the cluster that all tests of this process share.
    pub fn new() -> Database {
        let cluster = Cluster::shared();
        let name = cluster.create_database();
        Database { name, cluster }
    }

    /// `postgres://…`, over TCP on loopback.
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// The same by the cluster's socket.
    pub fn socket_url(&self) -> String {
        self.cluster.socket_url(&self.name)
    }

    /// Runs SQL; gives one text per row, its columns parted by `|`.
    pub fn sql(&self, sql: &str) -> Vec<String> {
        self.cluster.sql(&self.name, sql)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the server has warned of here, a line each.
    pub fn warnings(&self) -> Vec<String> {
        let log = fs::read_to_string(self.cluster.folder.join("log")).expect("the server's log");
        let of_this = format!(" {} WARNING: ", self.name);
        let lines = log.lines().filter(|line| line.contains(&of_this));
        lines.map(str::to_owned).collect()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The program that used it may still be ending. What stays goes with the cluster.
        let drop = format!("DROP DATABASE \"{}\" WITH (FORCE)", self.name);
        let _ = self.cluster.psql("postgres", &drop).output();
    }
}

impl Cluster {
    /// The cluster that all tests of this process share; made when the first one asks.
    #[allow(
        clippy::disallowed_methods,
        reason = "this file knows nothing of Hayloft, its settings included"
    )]
    pub fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            // Other settings for all tests: `HAYLOFT_TEST_POSTGRES="default_transaction_isolation = serializable"`.
            let settings = std::env::var("HAYLOFT_TEST_POSTGRES").unwrap_or_default();
            Cluster::start(&Options {
                settings: settings.split(';').map(str::to_owned).collect(),
                ..Options::default()
            })
        })
    }

    /// Makes a cluster and starts it.
    pub fn start(options: &Options) -> Cluster {
        let mut cluster = Cluster::prepare(options.within.as_deref());
        let mut initdb = cluster.tool("initdb");
        initdb.args(["--pgdata", &cluster.data(), "--username", USER, "--auth", "trust"]);
        initdb.args(["--encoding", "UTF8", "--no-sync", "--no-instructions"]);
        initdb.args(other_collation(&cluster.bin));
        run(&mut initdb);
        cluster.configure(options);
        cluster.start_on_a_free_port();
        cluster
    }

    /// A copy of this cluster that follows it, until it is promoted. The original needs nothing for it beyond the defaults.
    pub fn standby(&self, options: &Options) -> Cluster {
        let mut copy = self.copy(options, &["--write-recovery-conf"]);
        copy.start_on_a_free_port();
        copy
    }

    /// A copy of this cluster as it is now, that is not started yet.
    pub fn base_backup(&self, options: &Options) -> Cluster {
        self.copy(options, &[])
    }

    fn copy(&self, options: &Options, more: &[&str]) -> Cluster {
        let copy = Cluster::prepare(options.within.as_deref());
        let mut backup = copy.tool("pg_basebackup");
        backup.args(["--pgdata", &copy.data(), "--host", &self.socket(), "--port"]);
        backup.args([&self.port.to_string(), "--username", USER]);
        backup.args(["--checkpoint=fast", "--wal-method=stream", "--no-sync"]);
        run(backup.args(more));
        copy.configure(options);
        copy
    }

    /// Starts a base backup as if its files had just been put in the place of the original's.
    pub fn start_put_back(&mut self) {
        self.start_on_a_free_port();
    }

    /// Starts a base backup by recovery to the moment of the backup, as one goes back to a point in time.
    pub fn start_recovered(&mut self) {
        self.place("recovery.signal", "");
        self.set("restore_command = 'false'\nrecovery_target = 'immediate'\nrecovery_target_action = 'promote'");
        self.start_on_a_free_port();
    }

    /// A standby hears of no more commits of its original.
    pub fn stop_following(&self) {
        self.sql("postgres", "ALTER SYSTEM SET primary_conninfo = ''");
        self.sql("postgres", "SELECT pg_reload_conf()");
        self.comes_true("NOT EXISTS (SELECT 1 FROM pg_stat_wal_receiver)");
    }

    /// Waits until a condition holds; the server itself pauses between two looks.
    pub fn comes_true(&self, condition: &str) {
        const LOOKS: usize = 1_000;
        let look = format!("SELECT pg_sleep(0.02); SELECT {condition}");
        let holds = (0..LOOKS).any(|_| self.sql("postgres", &look).last().is_some_and(|line| line == "t"));
        assert!(holds, "never happened: {condition}");
    }

    /// An empty folder and the supervisor that removes it.
    fn prepare(within: Option<&Path>) -> Cluster {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let bin = binaries();
        let within = within.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let folder = loop {
            // Short: the path of a socket has 107 bytes at most.
            let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
            let folder = within.join(format!("hayloft-pg-{}-{number}", std::process::id()));
            match fs::create_dir(&folder) {
                // Of a process that had our number before, and whose supervisor was killed, too.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => {
                    made.expect("a folder for the cluster");
                    break folder;
                }
            }
        };
        if let Some((user, group)) = server_user() {
            std::os::unix::fs::chown(&folder, Some(user), Some(group)).expect("give the folder to postgres");
        }
        let mut supervisor = as_server_user("/bin/sh".as_ref());
        supervisor.args(["-c", SUPERVISOR, "supervisor"]).args([&folder, &bin]);
        supervisor
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let supervisor = supervisor.process_group(0).spawn().expect("start the supervisor");
        Cluster {
            bin,
            folder,
            port: 0,
            databases: AtomicU32::new(0),
            supervisor,
        }
    }

    fn configure(&self, options: &Options) {
        let mut lines = vec![
            "listen_addresses = '127.0.0.1'".to_owned(),
            format!("unix_socket_directories = '{}'", self.socket()),
            "max_connections = 300".to_owned(),
            "shared_buffers = 64MB".to_owned(),
            "timezone = 'Pacific/Chatham'".to_owned(),
            "log_line_prefix = '%m [%p] %d '".to_owned(),
        ];
        if !options.durable {
            lines.extend(["fsync = off", "synchronous_commit = off", "full_page_writes = off"].map(str::to_owned));
        }
        if let Some((certificate, key)) = &options.tls {
            self.place("server.crt", certificate);
            self.place("server.key", key);
            self.place(
                "pg_hba.conf",
                "local all all trust\nhostssl all all 127.0.0.1/32 trust\n",
            );
            lines.push("ssl = on".to_owned());
        }
        lines.extend(options.settings.iter().cloned());
        self.set(&lines.join("\n"));
    }

    /// More lines for `postgresql.conf`.
    fn set(&self, lines: &str) {
        let path = self.folder.join("data/postgresql.conf");
        let mut file = fs::OpenOptions::new().append(true).open(path).expect("postgresql.conf");
        writeln!(file, "{lines}").expect("write postgresql.conf");
    }

    /// Writes a file that only the server's user may read.
    fn place(&self, name: &str, text: &str) {
        let path = self.folder.join("data").join(name);
        fs::write(&path, text).expect("write into the cluster");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its permissions");
        if let Some((user, group)) = server_user() {
            std::os::unix::fs::chown(&path, Some(user), Some(group)).expect("give the file to postgres");
        }
    }

    /// Between the look for a free port and the server's own use of it another process may take it: then another one.
    fn start_on_a_free_port(&mut self) {
        const ATTEMPTS: u32 = 5;
        for attempt in 1..=ATTEMPTS {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            self.port = free.expect("a free port").port();
            let output = self.starting().output().expect("run pg_ctl");
            if output.status.success() {
                return;
            }
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(attempt < ATTEMPTS, "PostgreSQL does not start:\n{log}");
        }
    }

    fn starting(&self) -> Command {
        let mut command = self.tool("pg_ctl");
        let log = self.folder.join("log").display().to_string();
        let port = format!("-p {}", self.port);
        command.args([
            "start",
            "--wait",
            "--pgdata",
            &self.data(),
            "--log",
            &log,
            "--options",
            &port,
        ]);
        command
    }

    /// Starts it again, on the port it had.
    pub fn start_again(&self) {
        run(&mut self.starting());
    }

    /// Stops it as a crash would: no checkpoint, connections cut.
    pub fn stop_immediately(&self) {
        run(self
            .tool("pg_ctl")
            .args(["stop", "--wait", "--pgdata", &self.data(), "--mode", "immediate"]));
    }

    /// Makes a standby a server that takes writes.
    pub fn promote(&self) {
        run(self
            .tool("pg_ctl")
            .args(["promote", "--wait", "--pgdata", &self.data()]));
    }

    /// A new, empty database; gives its name.
    pub fn create_database(&self) -> String {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE \"{name}\""));
        name
    }

    /// `postgres://…` over TCP on loopback.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The same by a socket of this machine.
    pub fn socket_url(&self, database: &str) -> String {
        format!(
            "postgres://{USER}@localhost:{}/{database}?host={}",
            self.port,
            self.socket()
        )
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL; gives one text per row, its columns parted by `|`.
    pub fn sql(&self, database: &str, sql: &str) -> Vec<String> {
        let text = run(&mut self.psql(database, sql));
        text.lines().map(str::to_owned).collect()
    }

    fn psql(&self, database: &str, sql: &str) -> Command {
        let mut psql = self.tool("psql");
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--no-align",
            "--tuples-only",
            "--set",
            "ON_ERROR_STOP=1",
        ]);
        psql.args(["--host", &self.socket(), "--port", &self.port.to_string()]);
        psql.args(["--username", USER, "--dbname", database, "--command", sql]);
        psql
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = as_server_user(&self.bin.join(name));
        // A terminal's settings and a person's own server are no business of the tests.
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            // How long its `--wait` waits: as patient as the tests are.
            .env("PGCTLTIMEOUT", "240");
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }

    /// The folder of its socket.
    pub fn socket(&self) -> String {
        self.folder.display().to_string()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

/// Runs a command to its end; gives what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out
}

/// The server's programs, the newest first: Debian keeps them beside each other and out of the search path.
pub fn binaries() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for entry in fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
        let version = entry.file_name().to_string_lossy().parse().unwrap_or(0);
        found.push((version, entry.path().join("bin")));
    }
    let own = Command::new("pg_config").arg("--bindir").output();
    if let Some(output) = own.ok().filter(|output| output.status.success()) {
        found.push((0, PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())));
    }
    found.retain(|(_, bin)| ["initdb", "pg_ctl", "psql"].iter().all(|tool| bin.join(tool).exists()));
    let newest = found.into_iter().max_by_key(|(version, _)| *version);
    newest.map(|(_, bin)| bin).expect(
        "the tests need PostgreSQL's server programs (initdb, pg_ctl, psql): run `scripts/setup.sh test`, or install `postgresql`",
    )
}

/// The order of text that the databases have by default is one that Hayloft's must not be, wherever the server can: then a
/// forgotten `COLLATE` shows.
fn other_collation(bin: &Path) -> Vec<&'static str> {
    let version = run(Command::new(bin.join("postgres")).arg("--version"));
    let digits = version
        .split_whitespace()
        .find_map(|word| word.split('.').next()?.parse::<u32>().ok());
    match digits {
        Some(15..) => vec![
            "--locale-provider",
            "icu",
            "--icu-locale",
            "en-US",
            "--locale",
            "C.UTF-8",
        ],
        _ => vec!["--locale", "C.UTF-8"],
    }
}

/// PostgreSQL refuses to run as root: then as `postgres`, whose numbers these are. Otherwise as oneself.
fn server_user() -> Option<(u32, u32)> {
    static USER: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *USER.get_or_init(|| {
        let own = std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").ok()?);
        if own != 0 {
            return None;
        }
        let passwd = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
        let line = passwd.lines().find_map(|line| line.strip_prefix("postgres:"));
        let fields: Vec<&str> = line
            .expect("a user named postgres, as PostgreSQL's package makes it")
            .split(':')
            .collect();
        Some((fields.get(1)?.parse().ok()?, fields.get(2)?.parse().ok()?))
    })
}

fn as_server_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = server_user() {
        command.uid(user).gid(group);
    }
    command
}
