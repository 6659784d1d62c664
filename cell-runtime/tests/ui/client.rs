extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

cell::client!("button_service");
cell::client!(button_service);
cell::client!("../button");

fn main() {}
