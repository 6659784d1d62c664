//! `cargo cell build`

use crate::build::{Batch, Builder, Writes};
use crate::cli::Context;
use crate::error::{Error, Result};
use crate::event::Sink;
use crate::supervisor::SupervisorConfig;
use crate::workspace::{Dirs, Workspace, metadata};

/// Build every cell and bring schemas and bindings up to date
///
/// Runs cargo over the whole workspace, reads the schemas out of the binaries, and writes `schema/` and the bindings of
/// every consumer in the workspace; repeats until nothing changes. In the folders that `bind` has written it rewrites the
/// lock files, so that a client of an older schema does not compile.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Build with optimisations
    #[arg(long)]
    pub release: bool,
    /// Do not reach for the network
    #[arg(long)]
    pub offline: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let mut extra = Vec::new();
    extra.extend(args.release.then(|| "--release".to_owned()));
    extra.extend(args.offline.then(|| "--offline".to_owned()));
    let (_, batch) = batch(context, Writes::Workspace, extra)?;
    succeed(&batch)
}

/// Loads the workspace and builds it once.
pub(super) fn batch(
    context: &Context,
    writes: Writes,
    extra: Vec<String>,
) -> Result<(Workspace, Batch)> {
    let workspace = metadata::load(
        context.global.manifest_path.as_deref(),
        &metadata::current_dir()?,
    )?;
    if workspace.cells.is_empty() {
        return Err(no_cells(&workspace));
    }
    let dirs = Dirs::new(&context.home, &workspace.root);
    let reporter = context.reporter.clone();
    let sink = Sink::new(move |event| reporter.event(&event));
    let mut builder = Builder::new(dirs.schema, None, extra, SupervisorConfig::own_exe());
    let mut batch = crate::dev::runtime()?.block_on(builder.batch(&workspace, 1, writes, &sink))?;
    std::mem::take(&mut batch.report)
        .into_iter()
        .for_each(|event| sink.send(event));
    Ok((workspace, batch))
}

/// A build that failed was explained by the compiler already, and trouble with bound folders was shown with it.
pub(super) fn succeed(batch: &Batch) -> Result<()> {
    if !batch.success {
        return Err(Error::user("the workspace does not compile").already_shown());
    }
    match batch.trouble.first() {
        Some(error) => Err(error.clone().already_shown()),
        None => Ok(()),
    }
}

/// Says what makes a package a cell.
pub(super) fn no_cells(workspace: &Workspace) -> Error {
    Error::user(format!(
        "no cell in the workspace `{}`",
        workspace.root.display()
    ))
    .because("a cell is a package with a binary that depends directly on `cell-runtime`")
    .hint("start from a template with `cargo cell new NAME`")
}
