//! `routes.ts`: every route with how a call of it is written and its answers are read.

use cell_runtime::schema::{Error, Route, Snapshot, Ty};

use super::codec::{At, Codecs, Value, uses};
use super::names::{parameter, pascal};
use super::text::{Text, quoted};

/// The text of `routes.ts`. The functions that it calls are asked of the codecs.
pub(super) fn routes(snapshot: &Snapshot, codecs: &mut Codecs<'_>) -> Result<String, Error> {
    let mut body = Text::default();
    let mut types = Vec::new();
    let mut entries = Vec::new();
    for route in &snapshot.routes {
        let args: Vec<String> = route
            .args
            .iter()
            .map(|arg| {
                Ok(format!(
                    "{}: {}",
                    parameter(&arg.name),
                    codecs.schema.text(&arg.ty, "t.", 0)?
                ))
            })
            .collect::<Result<_, Error>>()?;
        let args = format!("readonly [{}]", args.join(", "));
        let (add, put) = request(&mut body, route, &args, codecs)?;
        let ok = codecs.schema.text(&route.res, "t.", 0)?;
        let err = route
            .err
            .as_ref()
            .map(|err| codecs.schema.text(err, "t.", 0))
            .transpose()?;
        let function = codecs.schema.names.route(&route.name).to_owned();
        types.push((
            function.clone(),
            [args, ok].into_iter().chain(err).collect::<Vec<_>>(),
        ));
        entries.push((route, function, add, put));
    }
    let names = body.finish();

    let mut table = Text::default();
    table.line("/** Every route: how a call of it is written, and its answers are read. */");
    table.open("export const routes: {");
    for (function, args) in &types {
        let line = format!("readonly {function}: cell.Route<{}>;", args.join(", "));
        if table.fits(&line) {
            table.line(&line);
            continue;
        }
        table.open(&format!("readonly {function}: cell.Route<"));
        for (index, arg) in args.iter().enumerate() {
            let end = if index + 1 == args.len() { "" } else { "," };
            table.line(&format!("{arg}{end}"));
        }
        table.close(">;");
    }
    table.reopen("} = {");
    for (route, function, add, put) in entries {
        let archived = codecs.layout(&route.req)?;
        table.open(&format!("{function}: {{"));
        table.line(&format!("name: {},", quoted(&route.name)));
        table.line(&format!("id: {}n,", route.fingerprint));
        let args = [
            "args".to_owned(),
            archived.size.to_string(),
            archived.align.to_string(),
            add.unwrap_or_else(|| "undefined".to_owned()),
            put.unwrap_or_else(|| "undefined".to_owned()),
        ];
        arrow(&mut table, "encodeRequest: (args) =>", "encode", &args);
        decoder(&mut table, "decodeResponse", &route.res, codecs)?;
        if let Some(err) = &route.err {
            decoder(&mut table, "decodeError", err, codecs)?;
        }
        table.close("},");
    }
    table.close("};");
    let table = table.finish();

    let mut text = Text::headed(&format!("the routes of `{}`", snapshot.name));
    let body = format!("{}\n{}", names.trim_end(), table)
        .trim_start()
        .to_owned();
    let uses = |word: &str| uses(&body, word);
    if uses("cell.") {
        text.line("import type * as cell from \"../cell/index.js\";");
    }
    let mut import = |module: &str, names: &[(&str, bool)]| {
        let used: Vec<&str> = names
            .iter()
            .filter(|(_, used)| *used)
            .map(|(name, _)| *name)
            .collect();
        if !used.is_empty() {
            text.line(&format!(
                "import {{ {} }} from \"../cell/{module}.js\";",
                used.join(", ")
            ));
        }
    };
    let reader = [
        ("decode", uses("decode(")),
        ("decodeNothing", uses("decodeNothing,")),
    ];
    import("reader", &reader);
    let writer = [
        ("encode", uses("encode(")),
        ("type Writer", uses("Writer,") || uses("Writer)")),
    ];
    import("writer", &writer);
    if uses("codec.") {
        text.line("import * as codec from \"./codec.js\";");
    }
    if uses("t.") {
        text.line("import type * as t from \"./types.js\";");
    }
    Ok(format!("{}\n{body}", text.finish()))
}

/// `name: (args) => call(…)`.
fn arrow(text: &mut Text, head: &str, call: &str, args: &[String]) {
    let flat = format!("{head} {call}({}),", args.join(", "));
    if text.fits(&flat) {
        return text.line(&flat);
    }
    text.open(head);
    text.list(call, args, ",");
    text.dedent();
}

/// The functions that write a request: its arguments are a tuple.
fn request(
    text: &mut Text,
    route: &Route,
    args: &str,
    codecs: &mut Codecs<'_>,
) -> Result<(Option<String>, Option<String>), Error> {
    let name = pascal(codecs.schema.names.route(&route.name));
    let mut adds = text.nested();
    adds.indent();
    let mut puts = text.nested();
    puts.indent();
    for (index, (arg, offset)) in route
        .args
        .iter()
        .zip(codecs.offsets(&route.req)?)
        .enumerate()
    {
        let value = Value {
            code: format!("args[{index}]"),
            place: quoted(&format!("{}({})", route.name, arg.name)),
        };
        codecs.in_routes(|codecs| codecs.add(&mut adds, &arg.ty, &value))?;
        codecs.in_routes(|codecs| codecs.put(&mut puts, &arg.ty, At("at", offset), &value))?;
    }
    let adds_read = codecs.add_reads(&route.req)?;
    let puts_read = codecs.put_reads(&route.req)?;
    let mut function = |verb: &str, at: bool, body: &Text| {
        if body.is_empty() {
            return None;
        }
        let name = format!("{verb}{name}");
        let mut parameters = vec!["writer: Writer".to_owned()];
        if at {
            parameters.push("at: number".to_owned());
        }
        if if at { puts_read } else { adds_read } {
            parameters.push(format!("args: {args}"));
        }
        text.list(&format!("function {name}"), &parameters, ": void {");
        text.append(body);
        text.line("}");
        text.end_item();
        Some(name)
    };
    let add = function("add", false, &adds);
    let put = function("put", true, &puts);
    Ok((add, put))
}

fn decoder(text: &mut Text, name: &str, ty: &Ty, codecs: &mut Codecs<'_>) -> Result<(), Error> {
    let archived = codecs.layout(ty)?;
    let value = codecs.in_routes(|codecs| codecs.read_root(ty))?.flat();
    let (size, align) = (archived.size, archived.align);
    if value == "undefined" {
        text.line(&format!("{name}: decodeNothing,"));
        return Ok(());
    }
    let value = if value.starts_with('{') {
        format!("({value})")
    } else {
        value
    };
    let read = match value.strip_suffix("(reader, at)") {
        // The function itself will do.
        Some(function) if !function.contains(['(', ' ']) => function.to_owned(),
        _ if value.contains("at") && value.contains("reader") && size > 0 => {
            format!("(reader, at) => {value}")
        }
        _ if value.contains("reader.") => format!("(reader) => {value}"),
        _ => format!("() => {value}"),
    };
    let args = [
        "archive".to_owned(),
        size.to_string(),
        align.to_string(),
        read,
    ];
    arrow(text, &format!("{name}: (archive) =>"), "decode", &args);
    Ok(())
}
