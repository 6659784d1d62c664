//! `cell::serve_local`: the process around a cell. Under a supervisor it serves the listener that it inherits and listens
//! to the control socket; by hand it binds a socket of its own and goes on until Ctrl-C.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the edge: sockets on disk, the control thread, and the end of the process"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::control::{self, FromCell, Inherited, ToCell};
use crate::handlers::{Complete, Handlers, Served};
use crate::metrics::Metrics;
use crate::schema::Fingerprint;
use crate::server::{self, ServerOptions, Service};
use crate::transport::UdsListener;
use crate::{Error, discovery, shader};

/// The name that the supervisor gives a cell; that of a cell without a service.
const ENV_NAME: &str = "CELL_NAME";

/// Serves a cell to this machine until it is told to stop, then finishes the calls in flight.
///
/// Under `cargo cell dev` the cell serves the listener that the supervisor owns; started by hand it binds a socket in
/// `$CELL_RUN`, or else in `$CELL_HOME/run/local`, and Ctrl-C ends it.
pub async fn serve_local<S: Complete>(handlers: Handlers<S>) -> anyhow::Result<()> {
    let name = std::env::var(ENV_NAME).ok();
    let inherited = control::inherit()?;
    let service = handlers.into_service(name.as_deref());
    match inherited {
        Some(inherited) => supervised(inherited, service).await,
        None => by_hand(service?).await,
    }
}

/// Serves the listener that a supervisor passed down.
pub(crate) async fn supervised(
    inherited: Inherited,
    service: Result<Served, Error>,
) -> anyhow::Result<()> {
    let mut control = inherited.control;
    // The descriptor's flags are shared with whoever passed it down.
    control.set_nonblocking(false)?;
    let service = match service {
        Ok(service) => service,
        Err(error) => {
            say(
                &mut control,
                &FromCell::Failed {
                    message: error.to_string(),
                },
            );
            return Err(error.into());
        }
    };
    let listener = UdsListener::from_std(inherited.listener)?;
    let options = ServerOptions::default();
    let drain = listen_to(control.try_clone()?, Arc::clone(&options.metrics))?;
    let ready = FromCell::Ready {
        cell: service.name().to_owned(),
        fingerprint: Fingerprint(service.fingerprint()).to_string(),
        pid: std::process::id(),
    };
    say(&mut control, &ready);
    let shutdown = async move {
        match drain.await {
            Ok(limit) => limit,
            // The control thread ends the process before it drops the sender.
            Err(_) => std::future::pending().await,
        }
    };
    server::run_until(listener, Arc::new(service), options, shutdown).await?;
    say(&mut control, &FromCell::Drained);
    Ok(())
}

/// Tells the supervisor; one that is gone is noticed by the control thread.
pub(super) fn say(control: &mut UnixStream, message: &FromCell) {
    let _ = control.write_all(control::encode(message).as_bytes());
}

/// Reads the control socket on a thread of its own: when the supervisor is gone the process must end, even if a handler
/// blocks every thread of the runtime.
pub(super) fn listen_to(
    control: UnixStream,
    metrics: Arc<Metrics>,
) -> anyhow::Result<oneshot::Receiver<Duration>> {
    let (drain, draining) = oneshot::channel();
    let shaders = control.try_clone()?;
    std::thread::Builder::new()
        .name("cell-control".into())
        .spawn(move || {
            let mut drain = Some(drain);
            let mut answers = control.try_clone();
            let mut lines = BufReader::new(control);
            loop {
                let mut line = String::new();
                let mut limited = (&mut lines).take(control::TO_CELL_BYTES_MAX as u64);
                match limited.read_line(&mut line) {
                    Ok(_) if line.ends_with('\n') => {}
                    _ => std::process::exit(0),
                }
                match control::decode(&line) {
                    Ok(ToCell::Drain { limit_ms }) => {
                        if let Some(drain) = drain.take() {
                            let _ = drain.send(Duration::from_millis(limit_ms));
                        }
                    }
                    Ok(ToCell::Measure) => {
                        if let Ok(answers) = &mut answers {
                            say(answers, &measured(&metrics));
                        }
                    }
                    Ok(ToCell::Shader {
                        package,
                        path,
                        version,
                        source,
                    }) => {
                        let taken = shader::take(&package, &path, version, &source);
                        if let Ok(answers) = &mut answers {
                            say(answers, &answered(package, path, version, taken));
                        }
                    }
                    Ok(ToCell::Unknown) | Err(_) => {}
                }
            }
        })?;
    shader::connect(shaders);
    Ok(draining)
}

fn answered(
    package: String,
    path: String,
    version: u64,
    taken: Result<(), &'static str>,
) -> FromCell {
    match taken {
        Ok(()) => FromCell::ShaderApplied {
            package,
            path,
            version,
        },
        Err(why) => FromCell::ShaderRefused {
            package,
            path,
            version,
            why: why.to_owned(),
        },
    }
}

fn measured(metrics: &Metrics) -> FromCell {
    let counted = metrics.snapshot();
    FromCell::Measured {
        calls: counted.ok + counted.failed,
        p99_us: metrics.take_p99_us(),
    }
}

async fn by_hand(service: Served) -> anyhow::Result<()> {
    let dir = match std::env::var_os(discovery::ENV_RUN).filter(|value| !value.is_empty()) {
        Some(run) => PathBuf::from(run),
        None => discovery::local_run_dir(&discovery::home(|name| std::env::var_os(name))?),
    };
    serve_in(&dir, Arc::new(service)).await
}

/// Serves a socket of our own in `dir` until it is told to stop.
pub(crate) async fn serve_in(dir: &Path, service: Arc<dyn Service>) -> anyhow::Result<()> {
    let (listener, bound) = bind(dir, service.name(), service.fingerprint()).await?;
    let shutdown = asked_by_hand()?;
    eprintln!(
        "`{}` serves {}; press Ctrl-C to stop",
        service.name(),
        bound.socket.display()
    );
    let ended = server::run(listener, service, ServerOptions::default(), shutdown).await;
    drop(bound);
    Ok(ended?)
}

/// Ctrl-C or SIGTERM.
pub(crate) fn asked_by_hand() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    // Both at once: who is told how to stop it may do so before anything is waited for.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// A socket of our own on disk; it goes when the cell does.
struct Bound {
    socket: PathBuf,
    inode: u64,
    /// The name without a fingerprint, which points to it.
    link: Option<PathBuf>,
}

impl Drop for Bound {
    fn drop(&mut self) {
        if std::fs::metadata(&self.socket).is_ok_and(|metadata| metadata.ino() == self.inode) {
            if let Some(link) = &self.link {
                let _ = std::fs::remove_file(link);
            }
            let _ = std::fs::remove_file(&self.socket);
        }
    }
}

async fn bind(dir: &Path, cell: &str, fingerprint: u64) -> Result<(UdsListener, Bound), Error> {
    discovery::check_name(cell)?;
    discovery::create_private_dir(dir)?;
    let socket = dir.join(discovery::socket_name(cell, fingerprint));
    let current = dir.join(discovery::socket_name(cell, 0));
    discovery::check_socket_path(&socket)?;
    for path in [&socket, &current] {
        if tokio::net::UnixStream::connect(path).await.is_ok() {
            return Err(Error::Unavailable {
                cell: cell.to_owned(),
                reason: format!("another process serves {}; stop it first", path.display()),
            });
        }
    }
    // Nobody answers there: what lies around is what a killed process left.
    for path in [&socket, &current] {
        if std::fs::symlink_metadata(path).is_ok() {
            std::fs::remove_file(path)
                .map_err(|error| Error::io(format!("remove {}", path.display()), &error))?;
        }
    }
    let failed = |error: std::io::Error| Error::io(format!("bind {}", socket.display()), &error);
    let listener = UdsListener::bind(&socket).map_err(failed)?;
    let inode = std::fs::metadata(&socket).map_err(failed)?.ino();
    let mut bound = Bound {
        socket: socket.clone(),
        inode,
        link: None,
    };
    if current != socket {
        std::os::unix::fs::symlink(discovery::socket_name(cell, fingerprint), &current)
            .map_err(failed)?;
        bound.link = Some(current);
    }
    Ok((listener, bound))
}
