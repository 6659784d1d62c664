//! `cargo cell bind`

mod known;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cell_runtime::schema::Snapshot;
use serde_json::json;

use crate::bind::{LANGUAGES, language};
use crate::cli::Context;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::schema_files::bound::{self, Binding, Work, unified};
use crate::schema_files::find::Source;
use crate::workspace::metadata;
use known::{Folders, Known, Whose};

/// Write clients of cells in Go, Python, TypeScript or Rust
///
/// Reads the snapshots that `cargo cell build` wrote: of the workspace, of a workspace in CELL_HOME, or `--from` a file.
/// Cells that the folder holds already stay. From then on `build` and `lock` rewrite the lock file in the folder, so that
/// a client of an older schema does not compile, and `dev` regenerates it.
///
/// Without `--out` every folder that was bound before is brought up to date.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cells
    #[arg(value_name = "CELL")]
    pub cells: Vec<String>,
    /// The language: go, python, typescript (ts) or rust; may be given several times
    #[arg(long, value_name = "LANG", value_delimiter = ',')]
    pub lang: Vec<String>,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Take the schema from a snapshot alone, without the cell's workspace; may be given several times
    #[arg(long, value_name = "FILE")]
    pub from: Vec<PathBuf>,
    /// Write nothing; print a diff and fail where something would be written
    #[arg(long)]
    pub check: bool,
    /// Also write go.mod, pyproject.toml or package.json where there is none
    #[arg(long)]
    pub package: bool,
    /// Remove the cells that are not named from the folder
    #[arg(long, requires = "out", requires = "lang")]
    pub only: bool,
}

/// One folder in one language, and what is to be in it.
struct Job {
    binding: Binding,
    sources: BTreeMap<String, Source>,
    work: Work,
}

/// Runs the command.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let langs = langs(&args.lang)?;
    let mut known = Known::load(context)?;
    let named = known.sources(&args.cells, &args.from)?;
    let dir = args.out.as_deref().map(bound::real).transpose()?;
    let wanted: Folders = match &dir {
        Some(dir) if !langs.is_empty() => {
            let named = || named.keys().map(|name| (name.clone(), Whose::Named));
            let cells = |lang: &String| -> BTreeMap<String, Whose> {
                match args.only {
                    true => named().collect(),
                    false => known.at(dir, lang).into_iter().chain(named()).collect(),
                }
            };
            let folders = langs
                .iter()
                .map(|lang| ((dir.clone(), lang.clone()), cells(lang)));
            folders.filter(|(_, cells)| !cells.is_empty()).collect()
        }
        Some(_) if !named.is_empty() => {
            return Err(Error::usage("in which language?")
                .hint(format!("name it with `--lang`: {}", names())));
        }
        dir => known.remembered(dir.as_deref(), &langs, &args.cells),
    };
    if wanted.is_empty() {
        return Err(nothing(&known, args));
    }
    let mut jobs = Vec::new();
    for ((dir, lang), cells) in wanted {
        jobs.push(job(context, &known, &named, args, (&dir, &lang), cells)?);
    }
    if args.check {
        return check(context, &known, &jobs);
    }
    let works: Vec<(&Path, &Work)> = jobs
        .iter()
        .map(|job| (job.binding.dir.as_path(), &job.work))
        .collect();
    bound::apply(&works)?;
    for job in &jobs {
        report(context, &known, job);
        if args.only {
            known.forget(&job.binding);
        }
        for cell in known.remember(&job.binding, &job.sources) {
            context.reporter.event(&Event::Note {
                message: format!(
                    "no workspace that is known here writes the snapshot of `{cell}`: bind again when you get a new one"
                ),
            });
        }
    }
    known.store()
}

/// Checks the names of languages.
fn langs(given: &[String]) -> Result<Vec<String>> {
    let mut langs = Vec::new();
    for name in given {
        let known = language(name).ok_or_else(|| Error {
            kind: crate::error::Kind::Usage,
            ..bound::unknown_language(name, "`--lang`")
        })?;
        if !langs.iter().any(|lang| lang == known.name()) {
            langs.push(known.name().to_owned());
        }
    }
    Ok(langs)
}

fn names() -> String {
    let names: Vec<&str> = LANGUAGES.iter().map(|language| language.name()).collect();
    names.join(", ")
}

fn nothing(known: &Known, args: &Args) -> Error {
    let example = "for example: `cargo cell bind --lang go --out clients/go button_service`";
    let complete = args.out.is_some() && !args.lang.is_empty();
    if complete {
        let cells = known.cell_names();
        let error = Error::usage("which cells?");
        return match cells.is_empty() {
            true => error.hint("`cargo cell build` writes the snapshots that bindings are made of"),
            false => error.hint(format!("name them: {}", cells.join(", "))),
        };
    }
    let error = Error::usage("nothing is bound here that matches");
    error
        .because("no folder of bindings is remembered, and `--lang` and `--out` do not name one")
        .hint(example)
}

/// Generates everything that one folder must hold: nothing is written yet.
fn job(
    context: &Context,
    known: &Known,
    named: &BTreeMap<String, Source>,
    args: &Args,
    (dir, lang): (&Path, &str),
    cells: BTreeMap<String, Whose>,
) -> Result<Job> {
    let language = language(lang).ok_or_else(|| bound::unknown_language(lang, "`--lang`"))?;
    let mut sources = BTreeMap::new();
    for (cell, whose) in &cells {
        match named.get(cell) {
            Some(source) => sources.insert(cell.clone(), source.clone()),
            None => match known.find(cell, whose)? {
                Some(source) => sources.insert(cell.clone(), source),
                None => {
                    context.reporter.event(&Event::Warning {
                        message: format!(
                            "`{}` holds a binding of `{cell}`, of which there is no snapshot any more; it stays as it is",
                            known.shown(dir)
                        ),
                    });
                    None
                }
            },
        };
    }
    let binding = Binding {
        dir: dir.to_owned(),
        language,
        cells: cells.into_keys().collect(),
        declared: false,
    };
    let snapshots: Vec<&Snapshot> = sources.values().map(|source| &source.snapshot).collect();
    let work = match snapshots.is_empty() {
        true => Work::default(),
        false => bound::generate(&binding, &snapshots, args.package, &|path| {
            known.shown(path)
        })?,
    };
    Ok(Job {
        binding,
        sources,
        work,
    })
}

fn report(context: &Context, known: &Known, job: &Job) {
    let shown = |path: &str| known.shown(&job.binding.dir.join(path));
    for change in &job.work.writes {
        if context.global.verbose > 0 {
            context.reporter.event(&Event::SchemaWritten {
                path: shown(&change.path),
                why: match &change.cell {
                    Some(cell) => format!("the binding of `{cell}`"),
                    None => "what all bindings share".to_owned(),
                },
            });
        }
    }
    for path in &job.work.kept {
        context.reporter.event(&Event::Note {
            message: format!("`{}` is there already and stays as it is", shown(path)),
        });
    }
    context.reporter.event(&Event::Bound {
        out: known.shown(&job.binding.dir),
        lang: job.binding.language.name().to_owned(),
        cells: job.sources.keys().cloned().collect(),
        written: job.work.writes.len(),
        removed: job.work.removes.len(),
        unchanged: job.work.unchanged,
    });
}

/// Prints what would change, as a diff.
fn check(context: &Context, known: &Known, jobs: &[Job]) -> Result<()> {
    let mut count = 0;
    let mut files = Vec::new();
    for job in jobs {
        for change in job.work.changes() {
            count += 1;
            let path = known.shown(&job.binding.dir.join(&change.path));
            let what = match (&change.old, &change.new) {
                (None, _) => "missing",
                (_, None) => "extra",
                _ => "differs",
            };
            files.push(json!({"path": path, "what": what}));
            let text = |bytes: &Option<Vec<u8>>| {
                bytes
                    .as_ref()
                    .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            };
            let (old, new) = (text(&change.old), text(&change.new));
            if !context.reporter.is_json() {
                let diff = unified(&path, old.as_deref(), new.as_deref());
                context.reporter.result(diff.trim_end_matches('\n'));
            }
        }
    }
    if context.reporter.is_json() {
        let result = json!({"files": files});
        context.reporter.result(&result.to_string());
    }
    if count == 0 {
        return Ok(());
    }
    let files = if count == 1 { "file is" } else { "files are" };
    Err(Error::user(format!(
        "{count} {files} not what `cargo cell bind` would write"
    ))
    .hint("run the same command without `--check`"))
}

impl Known {
    /// The workspace that a command runs in, if there is one.
    fn load(context: &Context) -> Result<Known> {
        let (shelves, workspace) = super::shelves(context)?;
        let current = metadata::current_dir()?;
        Known::new(shelves, &current, workspace, &|message| {
            context.reporter.event(&Event::Warning { message });
        })
    }
}
