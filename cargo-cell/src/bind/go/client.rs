//! The head of a binding, with the lock's check, and the client.

use cell_runtime::schema::{Error, Fingerprint, Route, Snapshot, Ty};

use super::names::{self, Names};
use super::rep::{Lowering, Rep};
use super::text::{Text, has_docs};
use super::types::{docs, in_place};

/// The method that a binding of this fingerprint has and a lock asks for. Both stand in the compiler's message where they
/// differ, so its name says what to do.
pub(super) fn proof(fingerprint: Fingerprint) -> String {
    format!("schema_is_{fingerprint}__run__cargo_cell_bind")
}

pub(super) fn package_docs(text: &mut Text, snapshot: &Snapshot, names: &Names) {
    text.line(&format!(
        "// Package {} calls the cell `{}`.",
        names.package, snapshot.name
    ));
    if has_docs(&snapshot.docs) {
        text.line("//");
        text.docs(&snapshot.docs);
    }
    text.line(&format!("package {}", names.package));
    text.line("");
}

pub(super) fn head(text: &mut Text, snapshot: &Snapshot, names: &Names) {
    let fingerprint = snapshot.fingerprint;
    text.line(&format!("// {} is the name of the cell.", names.cell));
    text.line(&format!("const {} = \"{}\"", names.cell, snapshot.name));
    text.line("");
    text.line(&format!(
        "// {} is that of the schema that this package was generated from.",
        names.fingerprint
    ));
    text.line(&format!(
        "const {} uint64 = {fingerprint}",
        names.fingerprint
    ));
    text.line("");
    text.line("// Where this does not compile, the cell's schema is no longer the one that this package was generated from, and lock.go");
    text.line("// says which it is now. Run: cargo cell bind");
    text.line(&format!("var _ lock = generated_from_{fingerprint}{{}}"));
    text.line("");
    text.line(&format!("type generated_from_{fingerprint} struct{{}}"));
    text.line("");
    text.line(&format!(
        "func (generated_from_{fingerprint}) {}() {{}}",
        proof(fingerprint)
    ));
    text.line("");
}

pub(super) fn client(
    text: &mut Text,
    snapshot: &Snapshot,
    names: &Names,
    lowering: &Lowering<'_>,
) -> Result<(), Error> {
    let Names {
        cell,
        fingerprint,
        conn,
        connect,
        close,
        with_timeout,
        ..
    } = names;
    let name = &snapshot.name;
    text.line(&format!("// {conn} calls `{name}` at one address. It is safe for concurrent use: calls share a connection, which is made by the"));
    text.line("// first one and again whenever the cell has restarted.");
    text.open(&format!("type {conn} struct {{"));
    text.line("client *cell.Client");
    text.close("}");
    text.line("");
    text.line("// shared finds the cell by its name, wherever it runs on this machine.");
    text.line(&format!(
        "var shared = &{conn}{{cell.NewClient({cell}, {fingerprint})}}"
    ));
    text.line("");
    text.line(&format!("// {connect} returns a connection to the cell at an address: the path of a Unix socket, or with [cell.Over] a host and a port."));
    text.line("// Either may stand behind \"name@\".");
    text.open(&format!(
        "func {connect}(address string, options ...cell.Option) (*{conn}, error) {{"
    ));
    text.line(&format!(
        "client, err := cell.NewClientAt(address, {cell}, {fingerprint}, options...)"
    ));
    text.open("if err != nil {");
    text.line("return nil, err");
    text.close("}");
    text.line(&format!("return &{conn}{{client}}, nil"));
    text.close("}");
    text.line("");
    text.line(&format!("// {with_timeout} returns a connection that shares this one, and ends calls without a deadline after d instead of ten seconds."));
    text.open(&format!(
        "func (c *{conn}) {with_timeout}(d time.Duration) *{conn} {{"
    ));
    text.line(&format!("return &{conn}{{c.client.WithTimeout(d)}}"));
    text.close("}");
    text.line("");
    text.line(&format!(
        "// {close} ends the connection and the calls in flight."
    ));
    text.open(&format!("func (c *{conn}) {close}() error {{"));
    text.line("return c.client.Close()");
    text.close("}");
    text.line("");
    for route in &snapshot.routes {
        self::route(text, route, names, lowering)?;
    }
    Ok(())
}

/// One call: two methods and two functions.
fn route(
    text: &mut Text,
    route: &Route,
    names: &Names,
    lowering: &Lowering<'_>,
) -> Result<(), Error> {
    let Call {
        parameters,
        arguments,
        result,
    } = Call::of(route, names, lowering)?;
    let conn = &names.conn;
    let method = names::exported(&route.name);
    let function = names.function_of(route);
    let behind = |first: &str, list: &str| match (first.is_empty(), list.is_empty()) {
        (true, _) => list.to_owned(),
        (_, true) => first.to_owned(),
        _ => format!("{first}, {list}"),
    };
    let returns = match (&route.yields, &result) {
        (Some(item), _) => {
            let item = self::item(route, item, lowering)?;
            format!("iter.Seq2[{}, error]", item.go(names))
        }
        (None, Some(result)) => format!("({result}, error)"),
        (None, None) => "error".to_owned(),
    };
    for (receiver, name) in [
        (format!("(c *{conn}) "), method.as_str()),
        (String::new(), function),
    ] {
        docs(
            text,
            &route.docs,
            &format!("{name} calls `{}`.", route.name),
        );
        let object = if receiver.is_empty() { "" } else { "c." };
        text.open(&format!("func {receiver}{name}({parameters}) {returns} {{"));
        let passed = behind("context.Background()", &arguments);
        text.line(&format!("return {object}{name}Context({passed})"));
        text.close("}");
        text.line("");
        text.line(&format!("// {name}Context is {name} with a context, whose deadline and cancellation reach the handler."));
        let taken = behind("ctx context.Context", &parameters);
        text.open(&format!(
            "func {receiver}{name}Context({taken}) {returns} {{"
        ));
        if receiver.is_empty() {
            text.line(&format!(
                "return shared.{method}Context({})",
                behind("ctx", &arguments)
            ));
            text.close("}");
            text.line("");
            continue;
        }
        if route.streams() {
            stream_body(text, route, &arguments, lowering, names)?;
            text.close("}");
            text.line("");
            continue;
        }
        text.line("w := cell.NewWriter()");
        if !route.args.is_empty() {
            text.line(&format!("encode{method}({})", behind("w", &arguments)));
        }
        text.line(&format!(
            "answer, err := c.client.Call(ctx, {}, w)",
            route.fingerprint
        ));
        text.open("if err != nil {");
        match &result {
            Some(result) => {
                text.line(&format!("var none {result}"));
                text.line("return none, err");
            }
            None => text.line("return err"),
        }
        text.close("}");
        text.line(&format!("return decode{method}(answer)"));
        text.close("}");
        text.line("");
    }
    Ok(())
}

/// What a call with items does.
fn stream_body(
    text: &mut Text,
    route: &Route,
    arguments: &str,
    lowering: &Lowering<'_>,
    names: &Names,
) -> Result<(), Error> {
    let method = names::exported(&route.name);
    let id = route.fingerprint;
    let (arguments, items) = match (&route.takes, arguments.rsplit_once(", ")) {
        (None, _) => (arguments, ""),
        (Some(_), None) => ("", arguments),
        (Some(_), Some((arguments, items))) => (arguments, items),
    };
    match arguments.is_empty() {
        true => text.line("request := func(*cell.Writer) {}"),
        false => text.line(&format!(
            "request := func(w *cell.Writer) {{ encode{method}(w, {arguments}) }}"
        )),
    }
    if let Some(item) = &route.takes {
        let item = self::item(route, item, lowering)?.go(names);
        text.line(&format!(
            "sending := &cell.Sending[{item}]{{Items: {items}, Encode: putItemsOf{method}}}"
        ));
    }
    let call = match (&route.takes, &route.yields) {
        (None, _) => format!(
            "return cell.Receive(ctx, c.client, {id}, request, itemsOf{method}, decode{method})"
        ),
        (Some(_), Some(_)) => format!(
            "return cell.Exchange(ctx, c.client, {id}, request, sending, itemsOf{method}, decode{method})"
        ),
        (Some(_), None) if result(route, lowering)? != Rep::Unit => {
            format!("return cell.Collect(ctx, c.client, {id}, request, sending, decode{method})")
        }
        (Some(_), None) => {
            text.line(&format!("end := func(r *cell.Reader) (struct{{}}, error) {{ return struct{{}}{{}}, decode{method}(r) }}"));
            text.line(&format!(
                "_, err := cell.Collect(ctx, c.client, {id}, request, sending, end)"
            ));
            "return err".to_owned()
        }
    };
    text.line(&call);
    Ok(())
}

/// What an item of a stream is.
pub(super) fn item(route: &Route, ty: &Ty, lowering: &Lowering<'_>) -> Result<Rep, Error> {
    lowering
        .route(ty)
        .map_err(|error| in_place(&error, &format!("the items of `{}`", route.name)))
}

/// What a route's function takes and returns.
pub(super) struct Call {
    /// `id string, count uint32`
    pub(super) parameters: String,
    /// `id, count`
    pub(super) arguments: String,
    /// Nothing where only an error is returned.
    pub(super) result: Option<String>,
}

impl Call {
    pub(super) fn of(route: &Route, names: &Names, lowering: &Lowering<'_>) -> Result<Self, Error> {
        let mut parameters = Vec::new();
        let mut arguments = Vec::new();
        for (name, rep) in args(route, lowering)? {
            parameters.push(format!("{name} {}", rep.go(names)));
            arguments.push(name);
        }
        if let Some(ty) = &route.takes {
            let mut name = "items".to_owned();
            while arguments.contains(&name) {
                name.push('2');
            }
            let item = item(route, ty, lowering)?;
            parameters.push(format!("{name} iter.Seq[{}]", item.go(names)));
            arguments.push(name);
        }
        let result = result(route, lowering)?;
        Ok(Call {
            parameters: parameters.join(", "),
            arguments: arguments.join(", "),
            result: (result != Rep::Unit).then(|| result.go(names)),
        })
    }
}

/// The arguments of a route.
pub(super) fn args(route: &Route, lowering: &Lowering<'_>) -> Result<Vec<(String, Rep)>, Error> {
    let mut args: Vec<(String, Rep)> = Vec::new();
    for arg in &route.args {
        let mut name = names::argument(&arg.name);
        // Nobody but this function sees its arguments' names.
        while args.iter().any(|(other, _)| *other == name) {
            name.push('2');
        }
        let rep = lowering.route(&arg.ty).map_err(|error| {
            in_place(
                &error,
                &format!("argument `{}` of `{}`", arg.name, route.name),
            )
        })?;
        args.push((name, rep));
    }
    Ok(args)
}

/// What a route returns.
pub(super) fn result(route: &Route, lowering: &Lowering<'_>) -> Result<Rep, Error> {
    lowering
        .route(&route.res)
        .map_err(|error| in_place(&error, &format!("the answer of `{}`", route.name)))
}
