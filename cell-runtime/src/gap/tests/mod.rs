#[cfg(not(miri))]
mod beside;
#[cfg(not(miri))]
mod link;
#[cfg(not(miri))]
mod model;
mod ring;
