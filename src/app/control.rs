//! The socket beside a SQLite database, by which commands reach the process that has it. Knows
//! lines of JSON; leaves what is asked for to `operate`.
//!
//! A client sends one [`Request`], hears an [`Answer`] a line, and may go away: then what it asked
//! for ends.

use std::{
    fs::Permissions,
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Failure,
    operate::{Event, Operator, Order},
};

/// Bytes of a request: a name in a sentence of JSON.
const REQUEST_MAX: u64 = 64 << 10;
/// Events that wait for a reader.
pub(crate) const EVENTS: usize = 256;
/// Bytes of a socket's path that systems take, some of them no more.
const PATH_MAX: usize = 103;

/// What a client wants, and by which program and definition it means it.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    version: String,
    definition: String,
    order: Order,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Event(Event),
    /// The last line: nothing, or how it failed.
    Ended(Option<Failed>),
}

#[derive(Debug, Serialize, Deserialize)]
struct Failed {
    code: u8,
    text: String,
}

/// The socket of a serving process; removed with it.
pub(crate) struct Control {
    path: PathBuf,
    listener: UnixListener,
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// `farm.db-control`, beside the file itself and not beside a link to it.
fn path_of(database: &Path) -> PathBuf {
    let mut path = database
        .canonicalize()
        .unwrap_or_else(|_| database.to_owned())
        .into_os_string();
    path.push("-control");
    path.into()
}

/// A socket's path must be short; from the folder itself, any is.
struct Reached {
    path: PathBuf,
    _folder: Option<std::fs::File>,
}

fn reach(path: &Path) -> io::Result<Reached> {
    use std::os::fd::AsRawFd as _;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if path.as_os_str().len() <= PATH_MAX {
        return Ok(Reached {
            path: path.to_owned(),
            _folder: None,
        });
    }
    let folder = std::fs::File::open(folder)?;
    let path = Path::new("/proc/self/fd")
        .join(folder.as_raw_fd().to_string())
        .join(name);
    Ok(Reached {
        path,
        _folder: Some(folder),
    })
}

impl Control {
    /// Opens the socket for this user alone. The database's lock is held, so one that is there
    /// already is nobody's.
    pub(crate) fn open(database: &Path) -> io::Result<Control> {
        let path = path_of(database);
        let folder = path.parent().unwrap_or(Path::new("."));
        // Made where nobody else can reach it, and moved when its rights are set.
        let private = tempfile::Builder::new().prefix(".hayloft-").tempdir_in(folder)?;
        let made = private.path().join("s");
        let listener = UnixListener::bind(&reach(&made)?.path)?;
        std::fs::set_permissions(&made, Permissions::from_mode(0o600))?;
        std::fs::rename(&made, &path)?;
        Ok(Control { path, listener })
    }

    /// Answers until `shutdown`, and waits for what is under way then.
    pub(crate) async fn serve(self, operators: watch::Receiver<Option<Operator>>, shutdown: CancellationToken) {
        let clients = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    clients.spawn(client(stream, operators.clone(), shutdown.child_token()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot accept; commands beside this process fail");
                    break;
                }
            }
        }
        clients.close();
        clients.wait().await;
    }
}

/// One client, from its request to the end of what it asked for.
async fn client(stream: UnixStream, operators: watch::Receiver<Option<Operator>>, stop: CancellationToken) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let ended = match read(&mut reader).await {
        Ok(request) => answer(request, reader, &mut writer, operators, stop).await,
        Err(failure) => Err(failure),
    };
    let ended = ended.err().map(|failure| Failed {
        code: failure.code(),
        text: failure.text().to_owned(),
    });
    let _ = write(&mut writer, &Answer::Ended(ended)).await;
}

async fn read(reader: &mut BufReader<OwnedReadHalf>) -> Result<Request, Failure> {
    let mut line = String::new();
    let read = reader.take(REQUEST_MAX).read_line(&mut line).await;
    let request = read.ok().and_then(|_| serde_json::from_str::<Request>(&line).ok());
    request.ok_or_else(|| {
        Failure::setup("error: the serving process does not understand the request; use the same version")
    })
}

async fn answer(
    request: Request,
    mut reader: BufReader<OwnedReadHalf>,
    writer: &mut OwnedWriteHalf,
    mut operators: watch::Receiver<Option<Operator>>,
    stop: CancellationToken,
) -> Result<(), Failure> {
    if request.version != env!("CARGO_PKG_VERSION") {
        return Err(Failure::setup(format!(
            "error: the serving process is Hayloft {}, this is {}; use the same version",
            env!("CARGO_PKG_VERSION"),
            request.version
        )));
    }
    // Between two definitions there is nobody to ask for a moment.
    let operator = tokio::select! {
        found = operators.wait_for(Option::is_some) => found.ok().and_then(|found| found.clone()),
        () = stop.cancelled() => None,
    };
    let operator = operator.ok_or_else(|| Failure::work("error: the serving process is stopping; try again"))?;
    if request.definition != operator.catalog.fingerprint {
        return Err(Failure::setup(
            "error: the serving process has another definition; give the same --schema, or save it where that process reads it",
        ));
    }
    let (events, mut waiting) = mpsc::channel(EVENTS);
    let perform = async {
        let done = operator.perform(&request.order, &events, &stop).await;
        drop(events);
        done
    };
    let pass = async {
        while let Some(event) = waiting.recv().await {
            if write(writer, &Answer::Event(event)).await.is_err() {
                stop.cancel();
            }
        }
    };
    // A client says nothing more: what comes is its end.
    let gone = async {
        let _ = reader.read_u8().await;
        stop.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        (done, ()) = async { tokio::join!(perform, pass) } => done,
        () = gone => Ok(()),
    }
}

async fn write<T: Serialize>(writer: &mut OwnedWriteHalf, line: &T) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    writer.write_all(&text).await
}

/// Asks the process that serves this database, if there is one: `None` when nobody answers. `stop`
/// asks it to end early.
pub(crate) async fn call(
    database: &Path,
    definition: &str,
    order: &Order,
    events: &mpsc::Sender<Event>,
    stop: &CancellationToken,
) -> Option<Result<(), Failure>> {
    let stream = match reach(&path_of(database)) {
        Ok(reached) => UnixStream::connect(&reached.path).await,
        Err(error) => Err(error),
    };
    let (reader, mut writer) = match stream {
        Ok(stream) => stream.into_split(),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Some(Err(Failure::setup(
                "error: another user's hayloft process serves this database; ask as that user",
            )));
        }
        // Left behind by a process that was killed, or never there.
        Err(_) => return None,
    };
    let request = Request {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        definition: definition.to_owned(),
        order: order.clone(),
    };
    if write(&mut writer, &request).await.is_err() {
        return None;
    }
    Some(hear(reader, writer, events, stop).await)
}

async fn hear(
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    events: &mpsc::Sender<Event>,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let mut writer = Some(writer);
    let mut lines = BufReader::new(reader).lines();
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line,
            // The other process sees our end of the line close; what it still says is heard.
            () = stop.cancelled(), if writer.is_some() => {
                writer = None;
                continue;
            }
        };
        let answer = line
            .ok()
            .flatten()
            .and_then(|line| serde_json::from_str::<Answer>(&line).ok());
        match answer {
            Some(Answer::Event(event)) => {
                let _ = events.send(event).await;
            }
            Some(Answer::Ended(None)) => return Ok(()),
            Some(Answer::Ended(Some(failed))) => return Err(Failure::told(failed.code, failed.text)),
            None => {
                return Err(Failure::work(
                    "error: the serving process ended in the middle of it; its log may say why",
                ));
            }
        }
    }
}
