extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

pub struct Plain {
    pub x: u32,
}

#[derive(cell::Protein)]
pub struct Outer {
    pub plain: Vec<Plain>,
}

fn main() {}
