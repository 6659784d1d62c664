//! `cargo xtask tidy`: what the compiler cannot check.

mod arrows;
mod crates;
mod guides;
mod text;

use anyhow::{Result, bail};

use crate::shell;

/// Runs every check and shows everything that is wrong.
pub fn run() -> Result<()> {
    let files = shell::tracked()?;
    let mut wrong = arrows::check(&files)?;
    wrong.extend(crates::check()?);
    wrong.extend(guides::check(&files)?);
    wrong.extend(text::check(&files)?);
    for line in &wrong {
        eprintln!("tidy: {line}");
    }
    if !wrong.is_empty() {
        bail!("{} things are untidy", wrong.len());
    }
    Ok(())
}
