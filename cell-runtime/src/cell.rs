//! The `cell` module: everything that a user of Cell writes starts with `cell::`.

pub use crate::handlers::Handlers;
pub use crate::protein::Protein;
#[cfg(feature = "remote")]
pub use crate::remote::serve_remote;
pub use crate::server::LoadLimits;
pub use crate::service::{Context, State, TestCell, View, run, serve_local, stopping};
pub use crate::shader::{Shader, ShaderSource};
pub use crate::stream::{Stream, Streaming};
pub use crate::{CallError, Error};

/// Makes a struct or an enum a message type: it can be an argument, a result or an error of a handler, and a part of other
/// messages.
///
/// ```
/// # extern crate cell_runtime as cell_sdk;
/// # fn main() {
/// use cell_sdk::cell;
///
/// /// An order.
/// #[derive(cell::Protein)]
/// pub struct Order<T> {
///     pub item: T,
///     pub count: u32,
///     pub options: std::collections::BTreeMap<String, String>,
/// }
///
/// #[derive(cell::Protein)]
/// #[protein(name = "Outcome")]
/// pub enum OrderOutcome {
///     Accepted { id: u64 },
///     SoldOut,
/// }
/// # }
/// ```
///
/// Fields may be `bool`, integers of a fixed size, `f32`, `f64`, `char`, `String`, `Vec`, arrays, `Option`, `Box`, tuples,
/// `Result`, maps and sets, `Duration`, and message types, also generic ones and ones that refer to themselves. A field of
/// any other type does not compile.
///
/// `#[protein(name = "…")]` gives the type another name in the schema, where two types of a service have the same;
/// `#[protein(crate = path)]` says where the runtime crate is when it is not `::cell_sdk`.
pub use cell_macros::Protein;

/// The same as `#[derive(cell::Protein)]`, as an attribute; it takes the derive's arguments:
/// `#[cell::protein(name = "…")]`.
pub use cell_macros::protein;

/// Makes a module a service: its functions with `#[cell::handler]` become routes, and the function `handlers()`, which is
/// added to the module, gives them to [`serve_local`] or [`TestCell`]. The service is called like the module.
///
/// `#[cell::service(name = "…")]` gives it another name, `#[cell::service(crate = path)]` says where the runtime crate is.
pub use cell_macros::service;

/// Makes an `async fn` of a `#[cell::service]` module a route of the same name. The function stays what it is: the module's
/// other code and its tests can call it.
///
/// ```
/// # extern crate cell_runtime as cell_sdk;
/// use cell_sdk::cell;
///
/// #[cell::service]
/// mod counter {
///     use std::sync::atomic::{AtomicU64, Ordering};
///
///     use cell_sdk::cell;
///
///     #[derive(cell::Protein)]
///     pub struct TooMuch {
///         pub at_most: u64,
///     }
///
///     /// Counts up.
///     #[cell::handler]
///     async fn add(count: cell::State<AtomicU64>, by: u64) -> Result<u64, TooMuch> {
///         if by > 1000 {
///             return Err(TooMuch { at_most: 1000 });
///         }
///         Ok(count.fetch_add(by, Ordering::Relaxed) + by)
///     }
///
///     /// Who asks?
///     #[cell::handler]
///     async fn whoami(context: cell::Context) -> String {
///         context.caller().name.to_string()
///     }
///
///     /// Reads the request where it lies, without a copy.
///     #[cell::handler]
///     async fn longest(words: cell::View<Vec<String>>) -> u32 {
///         words.iter().map(|word| word.len() as u32).max().unwrap_or(0)
///     }
/// }
///
/// # fn main() {
/// let handlers = counter::handlers().state(0.into());
/// # let _ = handlers;
/// # }
/// ```
///
/// It takes any number of message types, up to twelve, and may also take [`State`] (all handlers of a service share one,
/// given by `.state(…)`), [`Context`], and [`View`] in place of a message type. It returns a message type, or a `Result` of
/// two.
pub use cell_macros::handler;

/// Calls another cell: `cell::client!("button_service");` makes a module `button_service` of the generated binding
/// `cells/button_service.rs` of this package, with the cell's message types and one function for each route.
/// `cargo cell build` writes the binding.
pub use cell_macros::client;

/// Holds a shader: gives a [`Shader`] with the text of a WGSL file of this package, embedded in the binary. Under `cargo cell dev`
/// the saved file, once it is valid, is its new text, and the cell goes on.
///
/// ```ignore
/// let mut heat = cell::shader!("shaders/heat.wgsl");
/// let mut pipeline = compile(heat.source().text());
/// loop {
///     tokio::select! {
///         new = heat.changed() => pipeline = compile(new.text()),
///         () = turn.tick() => draw(&pipeline),
///     }
/// }
/// ```
///
/// Files that it imports (`#import "colours.wgsl"`) are named after it, so that they are embedded too:
/// `cell::shader!("shaders/heat.wgsl", "shaders/colours.wgsl")`.
pub use cell_macros::shader;
