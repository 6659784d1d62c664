//! The Rust client as one of the languages of `cargo xtask bench languages`: each line on standard input asks for a part,
//! `lone 2000` (answered with the percentiles 50, 90 and 99 in nanoseconds) or `crowd 20000` (with calls a second).

use std::io::BufRead;

use anyhow::{Context, Result, bail};

use crate::measure::{self, Samples, Settings};
use crate::{cell_rpc, runtime};

/// Answers until the input ends.
pub fn run() -> Result<()> {
    let folder = std::env::var("CELL_RUN").context("CELL_RUN is not set")?;
    runtime()?.block_on(async {
        let client = cell_rpc::connect(&format!("{folder}/echo.sock")).await?;
        for line in std::io::stdin().lock().lines() {
            let line = line?;
            let (part, count) = line.split_once(' ').context("a part and a number")?;
            let mut settings = Settings::few(0);
            let mut samples = Samples::default();
            match part {
                "lone" => {
                    settings.lone = count.parse()?;
                    measure::lone(&client, &settings, &mut samples).await?;
                    let [p50, p90, p99] = samples.percentiles();
                    println!("{} {} {}", p50.as_nanos(), p90.as_nanos(), p99.as_nanos());
                }
                "crowd" => {
                    settings.crowd = count.parse()?;
                    measure::both(&client, &settings, &mut samples).await?;
                    println!("{:.0}", samples.rate());
                }
                other => bail!("there is no part `{other}`"),
            }
        }
        Ok(())
    })
}
