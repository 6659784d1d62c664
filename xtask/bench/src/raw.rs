//! The floor: 64 bytes there and back over a tokio Unix socket, without a protocol.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;

use crate::{Caller, Payload, payload};

pub async fn serve(socket: &Path) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    crate::say_ready();
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut message = [0; 64];
            while stream.read_exact(&mut message).await.is_ok()
                && stream.write_all(&message).await.is_ok()
            {}
        });
    }
}

#[derive(Clone)]
pub struct Raw(Arc<Mutex<UnixStream>>);

pub async fn connect(socket: &Path) -> Result<Raw> {
    Ok(Raw(Arc::new(Mutex::new(
        UnixStream::connect(socket).await?,
    ))))
}

impl Caller for Raw {
    async fn call(&self, payload: Payload) -> Result<Payload> {
        let mut message = payload::to_bytes(payload);
        let mut stream = self.0.lock().await;
        stream.write_all(&message).await?;
        stream.read_exact(&mut message).await?;
        payload::from_bytes(&message)
    }
}
