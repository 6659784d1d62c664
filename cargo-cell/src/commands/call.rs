//! `cargo cell call`
#![expect(
    clippy::disallowed_methods,
    reason = "it reads snapshots and the clock"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cell_runtime::client::{CallOptions, Client, Target};
use cell_runtime::discovery;
use cell_runtime::remote::{ENV_IDENTITY, ENV_KEYS, Keys, RemoteAddress};
use cell_runtime::schema::{Route, Snapshot, dynamic, route_id};
use cell_runtime::wire::{Reply, StatusCode};
use cell_runtime::{Error as CallError, Vesicle};
use serde_json::Value;

use super::call_items::Items;
use crate::cli::Context;
use crate::error::{Context as _, Error, Result};
use crate::workspace::config::similar;
use crate::workspace::{Dirs, metadata};

/// Whose certificate is shown to a cell on the network, unless `CELL_IDENTITY` says otherwise.
const OWN_IDENTITY: &str = "cargo-cell";

/// Call a route of a cell with JSON and print JSON
///
/// The arguments are JSON values, one for each argument of the route: `cargo cell call button_service get_state
/// '"start_btn"'`. An error that the handler returns is printed as JSON on stderr, with exit code 1.
///
/// A route that streams items back prints one a line, as they come. A route that takes a stream reads one JSON value a line from
/// the standard input.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cell; `NAME@HOST:PORT` is one on the network, called with the certificate that CELL_IDENTITY names (`cargo cell keys`)
    pub cell: String,
    /// The route
    pub route: String,
    /// The arguments, each a JSON value
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    pub arguments: Vec<String>,
    /// Give up after this many milliseconds; 10000 unless given, and never where items are streamed
    #[arg(long, value_name = "MS")]
    pub deadline_ms: Option<u64>,
    /// Print JSON; it always does
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let (cell, address) = match args.cell.split_once('@') {
        Some((cell, address)) => (cell, Some(address)),
        None => (args.cell.as_str(), None),
    };
    let place = match address {
        Some(address) => abroad(context, cell, address)?,
        None => find(context, cell)?,
    };
    let route = place
        .snapshot
        .route(&args.route)
        .map_err(|cause| told(Error::usage, &cause))?;
    let request = request(&place.snapshot, route, &args.arguments)?;
    let options = CallOptions {
        deadline: args
            .deadline_ms
            .map(|limit| Instant::now() + Duration::from_millis(limit)),
        ..CallOptions::default()
    };
    let client = Client::new(place.target);
    let request = Vesicle::wrap(request);
    let runtime = crate::dev::runtime()?;
    let reply = if route.streams() {
        let items = Items {
            context,
            cell,
            snapshot: &place.snapshot,
            route,
        };
        runtime.block_on(items.exchange(&client, request, options))?
    } else {
        let call = async { client.call(route_id(route), request, options).await };
        runtime
            .block_on(call)
            .map_err(|cause| failed(cell, &cause))?
    };
    match (reply, &route.err) {
        (Reply::Ok(_), _) if route.yields.is_some() => Ok(()),
        (Reply::Ok(bytes), _) => {
            let value = dynamic::decode(&place.snapshot, &route.res, &bytes).map_err(unreadable)?;
            context.reporter.result(&value.to_string());
            Ok(())
        }
        (Reply::AppError(bytes), Some(ty)) => {
            let value = dynamic::decode(&place.snapshot, ty, &bytes).map_err(unreadable)?;
            context.reporter.bad_result(&value.to_string());
            Err(Error::user("the handler returned an error").already_shown())
        }
        (Reply::AppError(_), None) => Err(Error::user(format!(
            "`{cell}` answered with an error that its schema does not have"
        ))),
    }
}

pub(super) fn unreadable(cause: cell_runtime::schema::Error) -> Error {
    told(Error::user, &cause).because("the answer cannot be read")
}

/// Where a cell is and what its schema is.
pub(super) struct Place {
    pub(super) snapshot: Snapshot,
    pub(super) target: Target,
}

/// A cell on the network, as far as its schema is known here.
pub(super) fn abroad(context: &Context, cell: &str, address: &str) -> Result<Place> {
    discovery::check_name(cell).map_err(|cause| Error::usage(cause.to_string()))?;
    let address = RemoteAddress::parse(address).ok_or_else(|| {
        Error::usage(format!("`{address}` is no address")).hint(format!(
            "write a host and a port, such as `{cell}@host:4433`"
        ))
    })?;
    let manifest = context.global.manifest_path.as_deref();
    let workspace = metadata::load(manifest, &metadata::current_dir()?)?;
    let dirs = Dirs::new(&context.home, &workspace.root);
    let snapshot = snapshot_in(&[dirs.schema, workspace.root.join("schema")], cell)?;
    let snapshot = snapshot.ok_or_else(|| {
        Error::environment(format!("no schema of `{cell}` is known here"))
            .hint("run the command in a workspace that has its snapshot in `schema/`")
    })?;
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let dir = set(ENV_KEYS).map_or(dirs.keys, PathBuf::from);
    let own = set(ENV_IDENTITY).map_or(OWN_IDENTITY.into(), |own| {
        own.to_string_lossy().into_owned()
    });
    let keys = Keys::at(dir, &own)
        .and_then(|keys| keys.check().map(|()| keys))
        .map_err(|cause| {
            Error::environment(format!("`{cell}` cannot be called as `{own}`"))
                .because(cause)
                .hint("CELL_IDENTITY names another certificate, CELL_KEYS another folder of keys")
        })?;
    let target = Target::remote(address, keys, cell, snapshot.fingerprint.0);
    Ok(Place { snapshot, target })
}

/// The cell of the workspace that the command runs in, or else the only workspace that has the name.
fn find(context: &Context, cell: &str) -> Result<Place> {
    discovery::check_name(cell).map_err(|cause| Error::usage(cause.to_string()))?;
    let manifest = context.global.manifest_path.as_deref();
    let here = metadata::load(manifest, &metadata::current_dir()?);
    let run = std::env::var_os(discovery::ENV_RUN)
        .filter(|run| !run.is_empty())
        .map(PathBuf::from);
    let (run, schemas) = match (run, here) {
        (None, Ok(workspace)) => {
            let dirs = Dirs::new(&context.home, &workspace.root);
            let has = dirs
                .run
                .join(discovery::socket_name(cell, 0))
                .symlink_metadata()
                .is_ok();
            let schemas = vec![dirs.schema, workspace.root.join("schema")];
            if has || snapshot_in(&schemas, cell)?.is_some() {
                (dirs.run, schemas)
            } else {
                elsewhere(context, cell, &schemas)?
            }
        }
        (None, Err(error)) if manifest.is_some() => return Err(error),
        (None, Err(_)) => elsewhere(context, cell, &[])?,
        (Some(run), _) => {
            let schemas = run
                .file_name()
                .map(|hash| context.home.join("schema").join(hash))
                .into_iter()
                .collect();
            (run, schemas)
        }
    };
    let current = run.join(discovery::socket_name(cell, 0));
    // While a set is held back the newest snapshot is not the one that serves: the link says which one does.
    let serving = std::fs::read_link(&current)
        .ok()
        .and_then(|link| fingerprint_of(&link));
    let kept = serving.map(|fingerprint| {
        run.join("schema")
            .join(format!("{cell}.{fingerprint:016x}.json"))
    });
    let snapshot = match kept.as_deref().map(read_snapshot).transpose()?.flatten() {
        Some(snapshot) => Some(snapshot),
        None => snapshot_in(&schemas, cell)?,
    };
    let snapshot = snapshot.ok_or_else(|| {
        Error::environment(format!("no cell `{cell}` is known here"))
            .because("there is no snapshot of its schema")
            .hint(
                "`cargo cell status` lists the cells that run; `cargo cell build` writes snapshots",
            )
    })?;
    let own = run.join(discovery::socket_name(cell, snapshot.fingerprint.0));
    let socket = if own.exists() { own } else { current };
    if socket.symlink_metadata().is_err() {
        return Err(Error::environment(format!(
            "`{cell}` does not run: there is no socket `{}`",
            socket.display()
        ))
        .hint("start it with `cargo cell dev`"));
    }
    let target = Target::at(
        &format!("{cell}@{}", socket.display()),
        cell,
        snapshot.fingerprint.0,
    )
    .map_err(|cause| failed(cell, &cause))?;
    Ok(Place { snapshot, target })
}

/// The only workspace that serves this name. `here` are the schema folders of the workspace that has no such cell.
fn elsewhere(context: &Context, cell: &str, here: &[PathBuf]) -> Result<(PathBuf, Vec<PathBuf>)> {
    let runs = context.home.join("run");
    let name = discovery::socket_name(cell, 0);
    let mut found: Vec<PathBuf> = std::fs::read_dir(&runs)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|run| run.join(&name).symlink_metadata().is_ok())
        .collect();
    found.sort();
    match found.as_slice() {
        [only] => {
            let schemas = only
                .file_name()
                .map(|hash| context.home.join("schema").join(hash))
                .into_iter()
                .collect();
            Ok((only.clone(), schemas))
        }
        [] => {
            let known = known(&runs, here);
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            Err(Error::environment(format!("no cell `{cell}` runs"))
                .because(format!("there is no socket of it in `{}`", runs.display()))
                .hint(match similar(cell, &known) {
                    Some(close) if close != cell => format!("did you mean `{close}`?"),
                    _ => "start it with `cargo cell dev`".to_owned(),
                }))
        }
        several => {
            let list: Vec<String> = several
                .iter()
                .map(|run| run.display().to_string())
                .collect();
            Err(Error::usage(format!(
                "several workspaces run a cell `{cell}`: {}",
                list.join(", ")
            ))
            .hint("run the command inside the workspace you mean, or set CELL_RUN to its folder"))
        }
    }
}

/// The names of the cells that run anywhere or that a workspace's schema folders know.
fn known(runs: &Path, schemas: &[PathBuf]) -> BTreeSet<String> {
    let files = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten();
    let runs = files(runs).flat_map(|run| files(&run.path()));
    let all = runs.chain(schemas.iter().flat_map(|dir| files(dir)));
    all.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let name = name
            .strip_suffix(".sock")
            .or_else(|| name.strip_suffix(".json"))?;
        // `button_service.0123456789abcdef.sock` has a link without the fingerprint beside it.
        (!name.contains('.')).then(|| name.to_owned())
    })
    .collect()
}

/// `button_service.0123456789abcdef.sock` → its fingerprint.
fn fingerprint_of(socket: &Path) -> Option<u64> {
    let name = socket.file_name()?.to_str()?.strip_suffix(".sock")?;
    u64::from_str_radix(name.rsplit_once('.')?.1, 16).ok()
}

fn snapshot_in(folders: &[PathBuf], cell: &str) -> Result<Option<Snapshot>> {
    for folder in folders {
        if let Some(snapshot) = read_snapshot(&folder.join(format!("{cell}.json")))? {
            return Ok(Some(snapshot));
        }
    }
    Ok(None)
}

fn read_snapshot(path: &Path) -> Result<Option<Snapshot>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Snapshot::from_json(&text).map(Some).map_err(|cause| {
            told(Error::user, &cause).because(format!("in the snapshot `{}`", path.display()))
        }),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => {
            Err(cause).environment(|| format!("cannot read the snapshot `{}`", path.display()))
        }
    }
}

/// The archive of a route's arguments.
fn request(snapshot: &Snapshot, route: &Route, arguments: &[String]) -> Result<Vec<u8>> {
    let names: Vec<String> = route
        .args
        .iter()
        .map(|arg| format!("{}: {}", arg.name, arg.ty))
        .collect();
    if arguments.len() != names.len() {
        return Err(Error::usage(format!(
            "`{}` takes {} argument{}, but {} {} given",
            route.name,
            names.len(),
            if names.len() == 1 { "" } else { "s" },
            arguments.len(),
            if arguments.len() == 1 { "was" } else { "were" }
        ))
        .hint(format!("{}({})", route.name, names.join(", "))));
    }
    let mut values = Vec::new();
    for (text, name) in arguments.iter().zip(&names) {
        let value: Value = serde_json::from_str(text).map_err(|cause| {
            Error::usage(format!("argument `{name}` is not JSON: `{text}`"))
                .because(cause)
                .hint(format!("a string needs its quotes: '\"{text}\"'"))
        })?;
        values.push(value);
    }
    dynamic::encode_request(snapshot, route, &values).map_err(|cause| told(Error::usage, &cause))
}

pub(super) fn told(kind: impl Fn(String) -> Error, cause: &cell_runtime::schema::Error) -> Error {
    let error = kind(cause.message().to_owned());
    match cause.help() {
        Some(help) => error.hint(help),
        None => error,
    }
}

/// Where nobody answers, the environment must change; everything else is the cell's or the caller's doing.
pub(super) fn failed(cell: &str, cause: &CallError) -> Error {
    let message = format!("the call of `{cell}` failed");
    match cause.code() {
        StatusCode::Unavailable => Error::environment(message).because(cause),
        _ => Error::user(message).because(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_names_the_fingerprint_that_serves() {
        let table = [
            ("button_service.00000000000000ff.sock", Some(255)),
            ("/run/a.b.0000000000000001.sock", Some(1)),
            ("button_service.sock", None),
            ("x", None),
        ];
        for (socket, fingerprint) in table {
            assert_eq!(fingerprint_of(Path::new(socket)), fingerprint, "{socket}");
        }
    }
}
