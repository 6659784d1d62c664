//! Peers that only want to harm, over real sockets. The one that is attacked is a process of its own, this test binary
//! started again: whether it lives, and how much memory it ever had, is asked of the kernel.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests start processes, bind sockets and read what the kernel counts"
)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

extern crate cell_runtime as cell_sdk;

mod attack;
mod client;
mod flood;
mod gap;
mod server;
mod victim;
