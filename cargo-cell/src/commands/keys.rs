//! `cargo cell keys`

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::Context;
use crate::error::Result;
use crate::event::Event;
use crate::keys::list::{Entry, State};
use crate::keys::store::Store;

/// Make and renew the certificates of cells on the network
///
/// An authority issues a certificate to each cell and client; peers with one of the same authority let each other in, and
/// nobody else. A machine needs `authority.pem` and the files of its own cells, never `authority.key`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// The folder of keys [default: the folder `keys` of CELL_HOME]
    #[arg(
        long,
        global = true,
        env = "CELL_KEYS",
        value_name = "DIR",
        hide_env_values = true
    )]
    dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make the authority
    Init {
        /// How long it is trusted
        #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u16).range(1..=36500))]
        days: u16,
    },
    /// Issue certificates, or renew them: cells that run take the new one for their next connection
    Issue {
        /// The cells and clients
        #[arg(required = true)]
        names: Vec<String>,
        /// How long they hold
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3650))]
        days: u16,
    },
    /// Show whose certificates there are, and until when they hold
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a new authority; the former one is trusted, too, until `retire`
    Rotate {
        /// How long it is trusted
        #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u16).range(1..=36500))]
        days: u16,
    },
    /// Trust only the newest authority from now on
    Retire,
}

/// Runs the command.
pub fn run(context: &Context, args: &Args) -> Result<()> {
    let store = Store::at(
        args.dir
            .clone()
            .unwrap_or_else(|| context.home.join("keys")),
    );
    let note = |message: String| context.reporter.event(&Event::Note { message });
    match &args.what {
        What::Init { days } => {
            store.init(*days)?;
            note(format!(
                "made an authority in `{}`; issue certificates with `cargo cell keys issue NAME`",
                store.dir().display()
            ));
        }
        What::Issue { names, days } => {
            // All names are looked at first: nothing is issued where one is wrong.
            names
                .iter()
                .try_for_each(|name| crate::keys::mint::check_name(name))?;
            for name in names {
                let issued = store.issue(name, *days)?;
                note(format!(
                    "{} `{name}` for {days} days: {}",
                    if issued.renewed { "renewed" } else { "issued" },
                    issued.path.display()
                ));
            }
        }
        What::List { json } => {
            let listing = store.list()?;
            let text = if *json || context.reporter.is_json() {
                let entries =
                    |list: &[Entry]| -> Vec<Value> { list.iter().map(Entry::json).collect() };
                json!({"authorities": entries(&listing.authorities), "cells": entries(&listing.cells)}).to_string()
            } else {
                table(&listing.authorities, &listing.cells)
            };
            context.reporter.result(&text);
        }
        What::Rotate { days } => {
            store.rotate(*days)?;
            note(
                "made a new authority; copy `authority.pem` to every machine, renew all certificates with `cargo cell keys issue`, then run `cargo cell keys retire`"
                    .to_owned(),
            );
        }
        What::Retire => {
            let left = store.retire()?;
            note(
                "only the newest authority is trusted; copy `authority.pem` to every machine"
                    .to_owned(),
            );
            if !left.is_empty() {
                context.reporter.event(&Event::Warning {
                    message: format!(
                        "not accepted any more: {}; renew with `cargo cell keys issue {}`",
                        left.join(", "),
                        left.join(" ")
                    ),
                });
            }
        }
    }
    Ok(())
}

fn table(authorities: &[Entry], cells: &[Entry]) -> String {
    let mut rows = vec![["NAME", "UNTIL", "STATE", ""].map(str::to_owned).to_vec()];
    for (entry, is_authority) in authorities
        .iter()
        .map(|entry| (entry, true))
        .chain(cells.iter().map(|entry| (entry, false)))
    {
        let help = match (entry.state, is_authority) {
            (State::Valid, _) => String::new(),
            (_, true) => "run `cargo cell keys rotate`".to_owned(),
            (_, false) => format!("run `cargo cell keys issue {}`", entry.name),
        };
        rows.push(vec![
            entry.name.clone(),
            entry.until.clone(),
            entry.state.name().to_owned(),
            help,
        ]);
    }
    super::aligned(&rows)
}
