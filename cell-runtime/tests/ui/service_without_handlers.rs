extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[cell::service]
mod empty {}

#[cell::service]
fn function() {}

fn main() {}
