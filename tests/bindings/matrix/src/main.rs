//! Serves the matrix by hand: `CELL_RUN=/tmp/run cargo run -p matrix`. `MATRIX_GENERATION` says which generation it is, and
//! with `MATRIX_SCHEMA=drifted` it serves another schema under the same name. `MATRIX_CALLS_MAX` is how many calls it takes on.

use ::matrix::{Tally, drifted, matrix};
use cell_sdk::cell;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let env = |name| std::env::var(name).unwrap_or_default();
    if env("MATRIX_SCHEMA") == "drifted" {
        return cell::serve_local(drifted::handlers()).await;
    }
    let tally = Tally::of(env("MATRIX_GENERATION").parse().unwrap_or_default());
    let mut load = cell::LoadLimits::DEFAULT;
    if let Ok(calls) = env("MATRIX_CALLS_MAX").parse() {
        load.calls_max = calls;
    }
    cell::serve_local(matrix::handlers().state(tally).load(load)).await
}
