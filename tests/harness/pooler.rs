//! A pooler of the smallest kind: a session of the server serves one transaction, then whoever comes next. Knows the frames of
//! the protocol, and that each exchange ends with a message that says whether a transaction is open.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The message that asks for TLS, after its length.
const TLS: [u8; 4] = [0x04, 0xd2, 0x16, 0x2f];

pub struct Pooler {
    pub address: SocketAddr,
}

/// Sessions that nobody uses; the last one given back is the next one taken, as real poolers do.
type Idle = Arc<Mutex<Vec<TcpStream>>>;

impl Pooler {
    pub async fn start(server: u16) -> Pooler {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("its address");
        let idle = Idle::default();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let idle = idle.clone();
                tokio::spawn(async move {
                    let _ = serve(client, server, idle).await;
                });
            }
        });
        Pooler { address }
    }
}

async fn serve(mut client: TcpStream, server: u16, idle: Idle) -> std::io::Result<()> {
    let mut hello = first(&mut client).await?;
    if hello[4..] == TLS {
        client.write_all(b"N").await?;
        hello = first(&mut client).await?;
    }
    // The first session greets the client itself; all others are opened in its name.
    let mut held = Some(open(server, &hello, Some(&mut client)).await?);
    idle.lock().expect("idle").extend(held.take());
    loop {
        let message = frame(&mut client).await?;
        if message[0] == b'X' {
            return Ok(());
        }
        let mut session = match held.take().or_else(|| idle.lock().expect("idle").pop()) {
            Some(session) => session,
            None => open(server, &hello, None).await?,
        };
        session.write_all(&message).await?;
        // A simple query and a Sync are answered; all else is until then.
        if matches!(message[0], b'Q' | b'S') && answer(&mut session, Some(&mut client)).await? {
            idle.lock().expect("idle").push(session);
        } else {
            held = Some(session);
        }
    }
}

async fn open(server: u16, hello: &[u8], client: Option<&mut TcpStream>) -> std::io::Result<TcpStream> {
    let mut session = TcpStream::connect(("127.0.0.1", server)).await?;
    session.write_all(hello).await?;
    answer(&mut session, client).await?;
    Ok(session)
}

/// Passes an answer on to its end; whether no transaction is open after it.
async fn answer(session: &mut TcpStream, mut client: Option<&mut TcpStream>) -> std::io::Result<bool> {
    loop {
        let message = frame(session).await?;
        if let Some(client) = &mut client {
            client.write_all(&message).await?;
        }
        if message[0] == b'Z' {
            return Ok(message.ends_with(b"I"));
        }
    }
}

/// A message: a letter, its length, the rest.
async fn frame(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let letter = from.read_u8().await?;
    let mut message = vec![letter];
    message.extend(first(from).await?);
    Ok(message)
}

/// The first message of a connection has no letter.
async fn first(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut message = length.to_be_bytes().to_vec();
    message.resize(length as usize, 0);
    from.read_exact(&mut message[4..]).await?;
    Ok(message)
}
