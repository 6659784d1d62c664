extern crate cell_runtime as cell_sdk;

use cell_sdk::cell;

#[derive(cell::Protein)]
pub union Either {
    a: u32,
    b: f32,
}

#[derive(cell::Protein)]
pub enum Never {}

#[derive(cell::Protein)]
pub struct Sized<const N: usize> {
    pub bytes: [u8; N],
}

#[cell::protein]
pub fn function() {}

fn main() {}
