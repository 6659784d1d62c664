//! `cargo cell relay`

use std::path::PathBuf;

use cell_runtime::client::Client;
use cell_runtime::discovery;
use cell_runtime::remote::Forward;
use cell_runtime::schema::route_id;

use super::call::abroad;
use crate::cli::Context;
use crate::error::{Error, Result};

/// Make a cell of another machine callable on this one
///
/// Binds the Unix socket where clients of this machine look for the cell, and passes their calls and streams on over QUIC, with
/// the certificate that CELL_IDENTITY names. That is how clients in languages without QUIC call a cell on the network. It runs
/// until Ctrl-C.
///
/// The cell's snapshot must lie in the workspace's `schema/`; a client of another schema is refused as by the cell itself.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cell, as NAME@HOST:PORT
    pub cell: String,
}

/// Runs the command.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let (cell, address) = args.cell.split_once('@').ok_or_else(|| {
        Error::usage(format!("`{}` has no address", args.cell)).hint(format!(
            "write where it is, such as `{}@host:4433`",
            args.cell
        ))
    })?;
    let place = abroad(context, cell, address)?;
    let run = std::env::var_os(discovery::ENV_RUN).filter(|run| !run.is_empty());
    let run = run.map_or_else(|| discovery::local_run_dir(&context.home), PathBuf::from);
    let routes = place.snapshot.routes.iter().map(route_id).collect();
    let client = Client::new(place.target);
    let forward = Forward::new(client, place.snapshot.fingerprint.0, routes);
    let runtime = crate::dev::runtime()?;
    runtime
        .block_on(forward.serve_local(&run))
        .map_err(|cause| Error::environment(format!("`{cell}` cannot be relayed")).because(cause))
}
