//! The floor: 64 bytes there and back over a tokio Unix socket, without a protocol.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;

use crate::{Caller, Payload};

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
        let mut message = [0; 64];
        for (bytes, word) in message.chunks_exact_mut(8).zip(payload) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let mut stream = self.0.lock().await;
        stream.write_all(&message).await?;
        stream.read_exact(&mut message).await?;
        Ok(std::array::from_fn(|word| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&message[word * 8..][..8]);
            u64::from_le_bytes(bytes)
        }))
    }
}
