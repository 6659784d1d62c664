extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[cell::service]
mod shop;

fn main() {}
