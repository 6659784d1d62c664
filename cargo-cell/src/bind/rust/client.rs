//! The head of a binding (what it is of, the lock's check, the record of the call) and the client.

use cell_runtime::schema::{Route, Snapshot};

use super::names::{Names, identifier};
use super::text::{Limit, Text};

const STREAM: &str = "::cell_sdk::__private::client::Stream";
const TYPED: &str = "::cell_sdk::__private::client::TypedClient";

pub(super) fn head(text: &mut Text, snapshot: &Snapshot, names: &Names) {
    let Names {
        cell, fingerprint, ..
    } = names;
    let name = &snapshot.name;
    text.end_item();

    text.line("/// The cell that this is a binding of.");
    text.line(&format!("pub const {cell}: &str = \"{name}\";"));
    text.end_item();

    text.line("/// The fingerprint of the schema that this was generated from.");
    text.line(&format!(
        "pub const {fingerprint}: u64 = {};",
        snapshot.fingerprint
    ));
    text.end_item();

    text.line(
        "// The lock says what the cell is now: a binding of something else must not compile.",
    );
    text.open("const _: () = {");
    text.line(&format!(
        "const LOCK: &str = include_str!(\"{name}.lock\");"
    ));
    text.line(&format!(
        "::cell_sdk::__private::check_lock({cell}, {fingerprint}, LOCK);"
    ));
    text.close("};");
    text.end_item();

    text.line("// What the tool reads to know who calls whom.");
    text.skip();
    text.open("const _: () = {");
    text.open("const CALLS: &[&str] = &[");
    text.line(&format!(
        "r#\"{{\"k\":\"calls\",\"cell\":\"{name}\",\"binding\":\"{}\"}}\"#,",
        snapshot.fingerprint
    ));
    text.close("];");
    text.line("#[used]");
    text.line("#[unsafe(link_section = \"cell_schema\")]");
    text.line("static RECORD: [u8; ::cell_sdk::__private::record_len(CALLS)] = ::cell_sdk::__private::record(CALLS);");
    text.close("};");
    text.end_item();
}

pub(super) fn client(text: &mut Text, snapshot: &Snapshot, names: &Names) {
    let Names {
        client,
        pooled,
        connect,
        cell,
        fingerprint,
        deadline,
        ..
    } = names;
    if snapshot.docs.trim().is_empty() {
        text.docs(&format!("A client of `{}`.", snapshot.name));
    } else {
        text.docs(&snapshot.docs);
    }
    text.line("#[derive(Clone)]");
    text.line(&format!("pub struct {client}({TYPED});"));
    text.end_item();

    text.open(&format!("impl {client} {{"));
    text.line("/// The same client with another deadline for each call.");
    text.line("#[must_use]");
    text.line(&format!(
        "pub fn {deadline}(self, deadline: ::core::time::Duration) -> Self {{"
    ));
    text.open_block();
    text.line("Self(self.0.deadline(deadline))");
    text.close("}");
    for route in &snapshot.routes {
        text.line("");
        self::route(text, route, "self", Some("&self"), names);
    }
    text.close("}");
    text.end_item();

    text.line("/// The default client: its connections are shared by the whole process.");
    text.open(&format!("fn {pooled}() -> {client} {{"));
    text.line(&format!(
        "{client}(::cell_sdk::__private::client::pooled({cell}, {fingerprint}))"
    ));
    text.close("}");
    text.end_item();

    text.line("/// A client of the cell at an address.");
    text.open(&format!(
        "pub async fn {connect}(address: &str) -> Result<{client}, ::cell_sdk::Error> {{"
    ));
    text.line(&format!(
        "let client = {TYPED}::at(address, {cell}, {fingerprint})?;"
    ));
    text.line(&format!("::core::result::Result::Ok({client}(client))"));
    text.close("}");
    text.end_item();

    for route in &snapshot.routes {
        self::route(text, route, &format!("{pooled}()"), None, names);
        text.end_item();
    }
}

/// One call: a method of the client, or a function over the default one.
fn route(text: &mut Text, route: &Route, through: &str, receiver: Option<&str>, names: &Names) {
    if route.docs.trim().is_empty() {
        text.docs(&format!("Calls `{}`.", route.name));
    } else {
        text.docs(&route.docs);
    }
    let mut arguments: Vec<String> = receiver.map(str::to_owned).into_iter().collect();
    let mut values = Vec::new();
    for arg in &route.args {
        let name = identifier(&arg.name);
        arguments.push(format!("{name}: {}", names.ty(&arg.ty)));
        values.push(name);
    }
    let items = route.takes.as_ref().map(|item| {
        let name = free_argument("items", route);
        let item = names.ty(item);
        arguments.push(format!(
            "{name}: impl {STREAM}<Item = {item}> + Send + 'static"
        ));
        name
    });
    let failure = match &route.err {
        None => "::cell_sdk::Error".to_owned(),
        Some(err) => format!("::cell_sdk::CallError<{}>", names.ty(err)),
    };
    let ok = match &route.yields {
        None => names.ty(&route.res),
        Some(item) => format!("::cell_sdk::cell::Streaming<{}, {failure}>", names.ty(item)),
    };
    let returns = format!("Result<{ok}, {failure}>");
    let call = match (&route.takes, &route.yields, &route.err) {
        (None, None, None) => "call",
        (None, None, Some(_)) => "call_fallible",
        (None, Some(_), _) => "receive",
        (Some(_), None, _) => "collect",
        (Some(_), Some(_), _) => "exchange",
    };
    let head = format!("pub async fn {}", identifier(&route.name));
    text.list(&head, &arguments, &format!(" -> {returns} {{"), Limit::Line);
    text.open_block();
    let id = route.fingerprint;
    let items = items.map_or(String::new(), |items| format!(", {items}"));
    let request = if values.is_empty() {
        "()".to_owned()
    } else {
        text.list("let request = ", &values, ";", Limit::Tuple);
        "request".to_owned()
    };
    text.line(&format!(
        "{through}.0.{call}({id}, &{request}{items}).await"
    ));
    text.close("}");
}

/// A name that no argument of the route has.
fn free_argument(name: &str, route: &Route) -> String {
    let mut name = name.to_owned();
    while route.args.iter().any(|arg| arg.name == name) {
        name.push('_');
    }
    name
}
