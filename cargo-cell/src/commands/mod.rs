//! One file a command: `Args`, whose doc comment is the help, and a thin call into the part that does the work.

pub mod build;
pub mod call;
pub mod check;
pub mod clean;
pub mod completions;
pub mod dev;
pub mod doctor;
pub mod down;
pub mod lock;
pub mod logs;
pub mod new;
pub mod restart;
pub mod status;
