//! Cell over a Unix socket, as a user writes it: the service in `echo/`, and the generated binding in `cells/`.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{Caller, Payload, pin};
use echo::{Client, Message};

cell_sdk::cell::client!("echo");

const SOCKET: &str = "echo.sock";

/// Starts the server on a core; it binds the socket itself.
pub fn start(folder: &Path, cpu: usize) -> Result<Child> {
    let program = std::env::current_exe()?.with_file_name("echo");
    let before = pin::current()?;
    // A child starts where its parent runs.
    pin::to_core(cpu)?;
    let child = Command::new(&program)
        .env("CELL_RUN", folder)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{}`", program.display()));
    pin::restore(&before)?;
    let mut child = child?;
    while std::os::unix::net::UnixStream::connect(folder.join(SOCKET)).is_err() {
        if let Some(status) = child.try_wait()? {
            bail!("the cell did not come up: {status}");
        }
        std::thread::yield_now();
    }
    Ok(child)
}

pub async fn connect(folder: &Path) -> Result<Client> {
    Ok(echo::connect(&folder.join(SOCKET).to_string_lossy()).await?)
}

impl Caller for Client {
    async fn call(&self, payload: Payload) -> Result<Payload> {
        Ok(self.echo(Message { words: payload }).await?.words)
    }
}
