//! A cell's handlers: routes by name (made by `#[cell::service]`) or by message type (added with [`Handlers::on`]).

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::Error;
#[cfg(feature = "tower")]
use crate::layer::{CallRequest, CallService};
use crate::protein::Protein;
use crate::schema;
use crate::server::{
    CallContext, CallFuture, LoadLimits, Reply, RouteId, Service, Status, StatusCode,
};
use crate::service::{Incoming, answer};
use crate::vesicle::Vesicle;
use crate::wire::HashedIds;

/// State of any type, shared by all calls.
pub(crate) type AnyState = Arc<dyn Any + Send + Sync>;

/// One route's code.
pub(crate) type Handler = Arc<dyn Fn(Incoming) -> CallFuture + Send + Sync>;

/// Marks handlers that have everything that they need.
#[derive(Debug)]
pub enum Ready {}

/// Marks handlers that still need their state, a value of type `S`.
#[derive(Debug)]
pub struct Needs<S>(PhantomData<fn(S)>);

/// Handlers that can be served.
#[diagnostic::on_unimplemented(
    message = "these handlers cannot be served without their state: {Self}",
    label = "add `.state(…)` here: some handler takes `cell::State`",
    note = "for example `cell::serve_local(my_service::handlers().state(MyState::default()))`"
)]
pub trait Complete {}

impl Complete for Ready {}

/// The handlers of a cell. `my_service::handlers()` gives those of a `#[cell::service]`; [`Handlers::new`] starts an empty
/// set for the low level.
pub struct Handlers<S = Ready> {
    identity: Identity,
    routes: Vec<(Key, Handler)>,
    state: Option<AnyState>,
    load: LoadLimits,
    #[cfg(feature = "tower")]
    layers: Vec<Wrap>,
    needs: PhantomData<fn() -> S>,
}

/// Puts a layer around a handler.
#[cfg(feature = "tower")]
type Wrap = Box<dyn FnOnce(CallService) -> CallService + Send + Sync>;

/// Whose handlers they are.
#[derive(Clone, Debug)]
enum Identity {
    /// A service's: the path of its module, by which its schema is found.
    Service(&'static str),
    /// A cell's without a schema.
    Name(Option<String>),
}

/// How a route is found.
enum Key {
    /// By its name in the schema.
    Name(&'static str),
    /// By the type of its request, which is also what it is called.
    Message(RouteId, &'static str),
}

impl<S> std::fmt::Debug for Handlers<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Handlers({:?}, {} routes)",
            self.identity,
            self.routes.len()
        )
    }
}

impl Default for Handlers {
    fn default() -> Handlers {
        Handlers::new()
    }
}

impl Handlers {
    /// No handlers. Such a cell has no schema: nothing checks that its callers agree with it.
    pub fn new() -> Handlers {
        Handlers {
            identity: Identity::Name(None),
            routes: Vec::new(),
            state: None,
            load: LoadLimits::DEFAULT,
            #[cfg(feature = "tower")]
            layers: Vec::new(),
            needs: PhantomData,
        }
    }

    /// Names the cell. Without it the cell is called what the supervisor calls it.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Handlers {
        self.identity = Identity::Name(Some(name.into()));
        self
    }

    /// Answers messages of type `Req` with `f`; `Synapse::ask` calls it.
    #[must_use]
    pub fn on<Req, Fut>(self, f: impl Fn(Req) -> Fut + Send + Sync + 'static) -> Handlers
    where
        Req: Protein + Send,
        Fut: Future<Output: Protein + Send + Sync> + Send + 'static,
    {
        let f = Arc::new(f);
        let handler: Handler = Arc::new(move |call: Incoming| {
            let f = Arc::clone(&f);
            call.run(move |call| async move {
                let request = Req::decode(&*call.open::<Req>()?);
                answer(&f(request).await)
            })
        });
        self.with(Key::Message(message_route::<Req>(), Req::TY), handler)
    }

    /// Answers bytes with bytes; `Synapse::fire` calls it.
    #[must_use]
    pub fn raw<Fut>(self, f: impl Fn(Vesicle) -> Fut + Send + Sync + 'static) -> Handlers
    where
        Fut: Future<Output = Vesicle> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |call: Incoming| {
            let answer = f(call.payload().clone());
            call.run(move |_| async move { Ok(Reply::Ok(answer.await)) })
        });
        self.with(Key::Message(RAW_ROUTE, "raw"), handler)
    }

    /// Those of a service that has no state.
    #[doc(hidden)]
    pub fn service(id: &'static str) -> Handlers {
        Handlers {
            identity: Identity::Service(id),
            ..Handlers::new()
        }
    }
}

impl<S: Send + Sync + 'static> Handlers<Needs<S>> {
    /// Those of a service whose handlers share a state.
    #[doc(hidden)]
    pub fn service_with_state(id: &'static str) -> Handlers<Needs<S>> {
        Handlers {
            identity: Identity::Service(id),
            routes: Vec::new(),
            state: None,
            load: LoadLimits::DEFAULT,
            #[cfg(feature = "tower")]
            layers: Vec::new(),
            needs: PhantomData,
        }
    }

    /// Gives the state that handlers take as `cell::State<S>`. All calls share it.
    #[must_use]
    pub fn state(self, state: S) -> Handlers {
        Handlers {
            identity: self.identity,
            routes: self.routes,
            state: Some(Arc::new(state)),
            load: self.load,
            #[cfg(feature = "tower")]
            layers: self.layers,
            needs: PhantomData,
        }
    }
}

impl<S> Handlers<S> {
    /// Sets how much the cell takes on at once, from all its callers together; beyond it they are answered `overloaded`,
    /// with a hint when to try again.
    #[must_use]
    pub fn load(mut self, limits: LoadLimits) -> Self {
        self.load = limits;
        self
    }

    /// Puts a layer around all handlers together; of several, the one added last sees a call first. See [`crate::layer`].
    #[cfg(feature = "tower")]
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: tower_layer::Layer<CallService> + Send + Sync + 'static,
        L::Service:
            tower_service::Service<CallRequest, Response = Reply> + Clone + Send + Sync + 'static,
        <L::Service as tower_service::Service<CallRequest>>::Error:
            Into<Box<dyn std::error::Error + Send + Sync>>,
        <L::Service as tower_service::Service<CallRequest>>::Future: Send,
    {
        let wrap = move |inner| CallService::around(layer.layer(inner));
        self.layers.push(Box::new(wrap));
        self
    }

    /// Adds a route of a service.
    #[doc(hidden)]
    #[must_use]
    pub fn route(
        self,
        name: &'static str,
        handler: impl Fn(Incoming) -> CallFuture + Send + Sync + 'static,
    ) -> Self {
        self.with(Key::Name(name), Arc::new(handler))
    }

    fn with(mut self, key: Key, handler: Handler) -> Self {
        self.routes.push((key, handler));
        self
    }
}

impl<S: Complete> Handlers<S> {
    /// The service's schema, from the records of this process.
    pub(crate) fn schema(&self) -> Result<Option<Arc<schema::Snapshot>>, Error> {
        match &self.identity {
            Identity::Service(id) => {
                let snapshot = schema::own_service(id);
                snapshot
                    .map(Some)
                    .map_err(|error| Error::Codec(error.to_string()))
            }
            Identity::Name(_) => Ok(None),
        }
    }

    /// What [`crate::server::run`] serves: for a process that owns its listener itself.
    pub fn into_server(self) -> Result<Arc<dyn Service>, Error> {
        Ok(Arc::new(self.into_service(None)?))
    }

    /// Looks the schema up and gives what a server runs. `fallback` is the name of a cell that has no service.
    pub(crate) fn into_service(self, fallback: Option<&str>) -> Result<Served, Error> {
        let schema = self.schema()?;
        let name = match (&schema, &self.identity) {
            (Some(schema), _) => schema.name.clone(),
            (None, Identity::Name(Some(name))) => name.clone(),
            _ => fallback.map(str::to_owned).ok_or_else(|| Error::NotFound {
                cell: String::new(),
                hint: "these handlers have no name to be found by; write `.named(\"…\")`".into(),
            })?,
        };
        let mut routes = HashedIds::default();
        for (key, handler) in self.routes {
            let (id, called) = match key {
                Key::Message(id, called) => (id, called),
                Key::Name(route) => schema
                    .iter()
                    .flat_map(|schema| &schema.routes)
                    .find(|candidate| candidate.name == route)
                    .map(|found| (found.fingerprint.0, route))
                    .ok_or_else(|| {
                        Error::Codec(format!(
                            "the schema record of `{name}` has no route `{route}`"
                        ))
                    })?,
            };
            routes.insert(id, Route { called, handler });
        }
        let ids = routes.keys().copied().collect();
        let table = Arc::new(Table {
            routes,
            state: self.state,
        });
        Ok(Served {
            name,
            fingerprint: schema.map_or(0, |schema| schema.fingerprint.0),
            ids,
            #[cfg(feature = "tower")]
            layered: layered(self.layers, &table),
            table,
            load: self.load,
        })
    }
}

/// The route of messages that are bytes.
pub(crate) const RAW_ROUTE: RouteId = 0;

/// The route of a message type at the low level: the hash of its name.
pub(crate) fn message_route<T: Protein>() -> RouteId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"cell-message-1:");
    hasher.update(T::TY.as_bytes());
    let hash = hasher.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_be_bytes(first)
}

/// What a server runs.
pub(crate) struct Served {
    name: String,
    fingerprint: u64,
    ids: Vec<RouteId>,
    table: Arc<Table>,
    /// The handlers with the layers around them, where there are any.
    #[cfg(feature = "tower")]
    layered: Option<CallService>,
    load: LoadLimits,
}

/// Handlers by their routes' ids.
struct Table {
    routes: HashedIds<Route>,
    state: Option<AnyState>,
}

struct Route {
    /// For people, and for layers.
    #[cfg_attr(
        not(any(feature = "tower", feature = "tracing")),
        expect(dead_code, reason = "only layers and spans name a route")
    )]
    called: &'static str,
    handler: Handler,
}

impl Table {
    fn start(&self, route: &Route, context: CallContext, payload: Vesicle) -> CallFuture {
        (route.handler)(Incoming::new(context, payload, self.state.clone()))
    }

    fn unknown(cell: &str, id: RouteId) -> CallFuture {
        let message = format!("`{cell}` has no route 0x{id:016x}");
        let status = Status::new(StatusCode::UnknownRoute, message);
        CallFuture::new(std::future::ready(Err(status)))
    }
}

/// All handlers as one service, and the layers around it.
#[cfg(feature = "tower")]
fn layered(layers: Vec<Wrap>, table: &Arc<Table>) -> Option<CallService> {
    if layers.is_empty() {
        return None;
    }
    let table = Arc::clone(table);
    let handlers = CallService::new(move |call| match table.routes.get(&call.id) {
        Some(route) => table.start(route, call.context, call.payload),
        None => Table::unknown(call.route, call.id),
    });
    Some(layers.into_iter().fold(handlers, |inner, wrap| wrap(inner)))
}

impl Served {
    fn start(
        &self,
        #[cfg_attr(not(feature = "tower"), expect(unused_variables))] id: RouteId,
        route: &Route,
        context: CallContext,
        payload: Vesicle,
    ) -> CallFuture {
        #[cfg(feature = "tower")]
        if let Some(layered) = &self.layered {
            let request = CallRequest::new(route.called, id, context.clone(), payload);
            // Calls that a layer makes are made for this one too.
            return crate::service::made_for(context, layered.start(request));
        }
        self.table.start(route, context, payload)
    }
}

impl Service for Served {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn routes(&self) -> &[RouteId] {
        &self.ids
    }

    fn load(&self) -> LoadLimits {
        self.load
    }

    fn call(&self, id: RouteId, context: CallContext, payload: Vesicle) -> CallFuture {
        let Some(route) = self.table.routes.get(&id) else {
            return Table::unknown(&self.name, id);
        };
        #[cfg(feature = "tracing")]
        return crate::trace::handled(&self.name, route.called, context, |context| {
            self.start(id, route, context, payload)
        });
        #[cfg(not(feature = "tracing"))]
        self.start(id, route, context, payload)
    }
}
