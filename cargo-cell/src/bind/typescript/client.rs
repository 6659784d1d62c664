//! `index.ts`: what users import.

use cell_runtime::schema::{Error, Fingerprint, Route, Snapshot, Ty};

use super::names::{Names, parameter, pascal};
use super::schema::Schema;
use super::text::{Text, quoted};

/// What every binding exports for its users besides its own.
const ERRORS: [&str; 8] = [
    "AppError",
    "ArchiveError",
    "CellError",
    "DeadlineExceededError",
    "RefusedError",
    "SchemaMismatchError",
    "StatusError",
    "UnavailableError",
];

/// The names of the client's own items: they give way to the schema's.
struct Own {
    cell: String,
    routes: String,
    types: String,
    lock: String,
    checked: String,
    client: String,
    connect: String,
    pooled: String,
    name: String,
    fingerprint: String,
    options: String,
    close: String,
}

impl Own {
    fn of(names: &Names) -> Self {
        Own {
            cell: names.free("cell"),
            routes: names.free("routes"),
            types: names.free("t"),
            lock: names.free("Lock"),
            checked: names.free("Checked"),
            client: names.free("Client"),
            connect: names.free("connect"),
            pooled: names.free("pooled"),
            name: names.free("CELL"),
            fingerprint: names.free("FINGERPRINT"),
            options: names.free("options"),
            close: names.free("close"),
        }
    }
}

/// The text of the lock: what a cell is now.
pub(super) fn lock(cell: &str, fingerprint: Fingerprint) -> String {
    let mut text = Text::headed(&format!("what `{cell}` is now"));
    text.line("/** The fingerprint of the cell's schema. A binding of another one does not compile beside it. */");
    text.line(&format!("export type Lock = \"{fingerprint}\";"));
    text.finish()
}

/// The text of `index.ts`.
pub(super) fn index(snapshot: &Snapshot, schema: &Schema<'_>) -> Result<String, Error> {
    let own = Own::of(schema.names);
    let Own {
        cell,
        routes,
        types,
        lock,
        ..
    } = &own;
    let mut body = Text::default();
    head(&mut body, snapshot, &own);
    failures(&mut body, snapshot, schema, &own)?;
    class(&mut body, snapshot, schema, &own)?;
    functions(&mut body, snapshot, schema, &own)?;
    let body = body.finish();

    let what = format!(
        "a client of `{}`, fingerprint {}",
        snapshot.name, snapshot.fingerprint
    );
    let mut text = Text::headed(&what);
    text.line(&format!("import * as {cell} from \"../cell/index.js\";"));
    match lock.as_str() {
        "Lock" => text.line("import type { Lock } from \"./lock.js\";"),
        other => text.line(&format!(
            "import type {{ Lock as {other} }} from \"./lock.js\";"
        )),
    }
    if !snapshot.routes.is_empty() {
        text.line(&format!(
            "import {{ routes{} }} from \"./routes.js\";",
            renamed("routes", routes)
        ));
    }
    if body.contains(&format!("{types}.")) && !snapshot.types.is_empty() {
        text.line(&format!("import type * as {types} from \"./types.js\";"));
    }
    text.end_item();
    text.open("export {");
    for error in ERRORS {
        text.line(&format!(
            "{error}{},",
            renamed(error, &schema.names.free(error))
        ));
    }
    text.close("} from \"../cell/index.js\";");
    let shared: Vec<String> = ["CallOptions", "Duration", "Result", "Some"]
        .iter()
        .map(|name| format!("{name}{}", renamed(name, &schema.names.free(name))))
        .collect();
    let line = format!(
        "export type {{ {} }} from \"../cell/index.js\";",
        shared.join(", ")
    );
    if text.fits(&line) {
        text.line(&line);
    } else {
        text.open("export type {");
        for name in shared {
            text.line(&format!("{name},"));
        }
        text.close("} from \"../cell/index.js\";");
    }
    text.line("export type * from \"./types.js\";");
    Ok(format!("{}\n{body}", text.finish()))
}

fn renamed(name: &str, free: &str) -> String {
    match name == free {
        true => String::new(),
        false => format!(" as {free}"),
    }
}

fn head(text: &mut Text, snapshot: &Snapshot, own: &Own) {
    let Own {
        lock,
        checked,
        name,
        fingerprint,
        ..
    } = own;
    let cell = &snapshot.name;
    text.line("/** The cell that this is a binding of. */");
    text.line(&format!("export const {name} = {};", quoted(cell)));
    text.end_item();

    text.line("/** What a fingerprint is, as long as the lock says the same: else a sentence that says what to do. */");
    let code = format!("{checked}<Code extends string> = {lock} extends Code");
    text.open(&format!("type {code}"));
    text.line("? Code");
    text.line(&format!(
        ": `schema drift: {cell} has fingerprint ${{{lock}}}, but this binding was generated from ${{Code}}; run: cargo cell bind`;"
    ));
    text.dedent();
    text.end_item();

    text.line("/** The fingerprint of the schema that this was generated from. */");
    let value = quoted(&snapshot.fingerprint.to_string());
    let line = format!("export const {fingerprint}: {checked}<{value}> = {value};");
    if text.fits(&line) {
        text.line(&line);
    } else {
        text.open(&format!("export const {fingerprint}: {checked}<{value}> ="));
        text.line(&format!("{value};"));
        text.dedent();
    }
    text.end_item();
}

fn failed(route: &Route, schema: &Schema<'_>) -> String {
    schema.names.free(&format!(
        "{}Failed",
        pascal(schema.names.route(&route.name))
    ))
}

/// The classes of the routes' own errors.
fn failures(
    text: &mut Text,
    snapshot: &Snapshot,
    schema: &Schema<'_>,
    own: &Own,
) -> Result<(), Error> {
    let Own { cell, name, .. } = own;
    for route in &snapshot.routes {
        let Some(err) = &route.err else {
            continue;
        };
        let err = prefixed(schema, err, own)?;
        let class = failed(route, schema);
        text.line(&format!(
            "/** What a call of `{}` rejects with when the handler answers with an error. */",
            route.name
        ));
        text.open(&format!(
            "export class {class} extends {cell}.AppError<{err}> {{"
        ));
        text.line(&format!("override readonly name = {};", quoted(&class)));
        text.line("");
        text.open(&format!("constructor(error: {err}) {{"));
        text.line(&format!("super({name}, {}, error);", quoted(&route.name)));
        text.close("}");
        text.close("}");
        text.end_item();
    }
    Ok(())
}

/// A type with the names that this file imports under.
fn prefixed(schema: &Schema<'_>, ty: &Ty, own: &Own) -> Result<String, Error> {
    let text = schema.text(ty, &format!("{}.", own.types), 0)?;
    Ok(match own.cell.as_str() {
        "cell" => text,
        // Names of the shared types are written with the usual prefix, which no other name ends with.
        cell => text.replace("cell.", &format!("{cell}.")),
    })
}

fn docs(text: &mut Text, route: &Route) {
    if route.docs.trim().is_empty() {
        text.docs(&format!("Calls `{}`.", route.name));
    } else {
        text.docs(&route.docs);
    }
}

/// The parameters of a call, and what it gives.
fn signature(
    route: &Route,
    schema: &Schema<'_>,
    own: &Own,
) -> Result<(Vec<String>, Vec<String>, String), Error> {
    let mut parameters = Vec::new();
    let mut values = Vec::new();
    for arg in &route.args {
        let name = parameter(&arg.name);
        parameters.push(format!("{name}: {}", prefixed(schema, &arg.ty, own)?));
        values.push(name);
    }
    if let Some(item) = &route.takes {
        let item = prefixed(schema, item, own)?;
        let name = items(route);
        parameters.push(format!("{name}: AsyncIterable<{item}> | Iterable<{item}>"));
    }
    parameters.push(format!("{}?: {}.CallOptions", own.options, own.cell));
    if let Some(item) = &route.yields {
        let item = prefixed(schema, item, own)?;
        let returns = format!(": AsyncGenerator<{item}, void, undefined> {{");
        return Ok((parameters, values, returns));
    }
    let returns = match prefixed(schema, &route.res, own)?.as_str() {
        "undefined" => "void".to_owned(),
        text => text.to_owned(),
    };
    Ok((parameters, values, format!(": Promise<{returns}> {{")))
}

/// What the argument with the items is called.
fn items(route: &Route) -> String {
    let mut name = "items".to_owned();
    while route.args.iter().any(|arg| parameter(&arg.name) == name) {
        name.push('2');
    }
    name
}

fn class(
    text: &mut Text,
    snapshot: &Snapshot,
    schema: &Schema<'_>,
    own: &Own,
) -> Result<(), Error> {
    let Own {
        cell,
        client,
        routes,
        options,
        close,
        ..
    } = own;
    match snapshot.docs.trim() {
        "" => text.docs(&format!("A client of `{}`.", snapshot.name)),
        docs => text.docs(docs),
    }
    text.open(&format!("export class {client} {{"));
    text.line(&format!("readonly #channel: {cell}.Channel;"));
    text.line("");
    text.open(&format!("constructor(channel: {cell}.Channel) {{"));
    text.line("this.#channel = channel;");
    text.close("}");
    for route in &snapshot.routes {
        let (parameters, values, returns) = signature(route, schema, own)?;
        text.line("");
        docs(text, route);
        let function = schema.names.route(&route.name);
        text.list(function, &parameters, &returns);
        text.indent();
        let mut args = vec![
            format!("{routes}.{function}"),
            format!("[{}]", values.join(", ")),
        ];
        args.extend(route.takes.as_ref().map(|_| items(route)));
        args.push(options.clone());
        if route.err.is_some() {
            args.push(failed(route, schema));
        }
        let call = match (&route.takes, &route.yields) {
            (None, None) => "call",
            (None, Some(_)) => "receive",
            (Some(_), None) => "collect",
            (Some(_), Some(_)) => "exchange",
        };
        text.list(&format!("return this.#channel.{call}"), &args, ";");
        text.close("}");
    }
    text.line("");
    text.line("/** Closes the connection. Calls in flight fail; a later call opens a new one. */");
    text.open(&format!("{close}(): void {{"));
    text.line("this.#channel.close();");
    text.close("}");
    text.close("}");
    text.end_item();
    Ok(())
}

fn functions(
    text: &mut Text,
    snapshot: &Snapshot,
    schema: &Schema<'_>,
    own: &Own,
) -> Result<(), Error> {
    let Own {
        cell,
        client,
        connect,
        pooled,
        name,
        options,
        ..
    } = own;
    let id = format!("{}n", snapshot.fingerprint);
    text.line("/** The client whose connection the functions below share. */");
    text.list(
        &format!("const {pooled} = new {client}"),
        &[format!("new {cell}.Channel({name}, {id})")],
        ";",
    );
    text.end_item();

    text.line("/** A client of the cell at an address: the path of a Unix socket, with `cell@` before it or not. */");
    text.open(&format!(
        "export function {connect}(address: string): {client} {{"
    ));
    text.line(&format!(
        "return new {client}(new {cell}.Channel({name}, {id}, address));"
    ));
    text.close("}");
    text.end_item();

    for route in &snapshot.routes {
        let (parameters, mut values, returns) = signature(route, schema, own)?;
        docs(text, route);
        let function = schema.names.route(&route.name);
        text.list(
            &format!("export function {function}"),
            &parameters,
            &returns,
        );
        text.indent();
        values.extend(route.takes.as_ref().map(|_| items(route)));
        values.push(options.clone());
        text.list(&format!("return {pooled}.{function}"), &values, ";");
        text.close("}");
        text.end_item();
    }
    Ok(())
}
