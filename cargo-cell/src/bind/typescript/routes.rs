//! `routes.ts`: every route with how a call of it is written and its answers are read.

use cell_runtime::schema::{Error, Field, Route, Snapshot, Ty};

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
        let name = pascal(codecs.schema.names.route(&route.name));
        let what = Arguments {
            name: &name,
            place: &route.name,
            fields: &route.args,
            tuple: &route.req,
            ty: &args,
        };
        let (add, put) = request(&mut body, &what, codecs)?;
        let taken = match &route.takes {
            Some(item) => Some(taken(&mut body, route, &name, item, codecs)?),
            None => None,
        };
        let item = |ty: &Option<Ty>| {
            ty.as_ref()
                .map(|ty| codecs.schema.text(ty, "t.", 0))
                .transpose()
        };
        let streams = [
            ("Taking", item(&route.takes)?),
            ("Yielding", item(&route.yields)?),
        ];
        let streams: Vec<String> = streams
            .into_iter()
            .filter_map(|(kind, item)| Some(format!(" & cell.{kind}<{}>", item?)))
            .collect();
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
            streams,
        ));
        entries.push((route, function, add, put, taken));
    }
    let names = body.finish();

    let mut table = Text::default();
    table.line("/** Every route: how a call of it is written, and its answers are read. */");
    table.open("export const routes: {");
    for (function, args, streams) in &types {
        let route = format!("readonly {function}: cell.Route<{}>", args.join(", "));
        let flat = format!("{route}{};", streams.concat());
        if table.fits(&flat) {
            table.line(&flat);
            continue;
        }
        let end = if streams.is_empty() { ";" } else { " &" };
        if !streams.is_empty() && table.fits(&format!("{route} &")) {
            table.line(&format!("{route} &"));
        } else {
            table.open(&format!("readonly {function}: cell.Route<"));
            for (index, arg) in args.iter().enumerate() {
                let end = if index + 1 == args.len() { "" } else { "," };
                table.line(&format!("{arg}{end}"));
            }
            table.close(&format!(">{end}"));
        }
        table.indent();
        for (index, stream) in streams.iter().enumerate() {
            let end = if index + 1 == streams.len() {
                ";"
            } else {
                " &"
            };
            table.line(&format!("{}{end}", stream.trim_start_matches(" & ")));
        }
        table.dedent();
    }
    table.reopen("} = {");
    for (route, function, add, put, taken) in entries {
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
        if let Some(args) = taken {
            arrow(&mut table, "encodeItems: (items) =>", "encode", &args);
        }
        if let Some(item) = &route.yields {
            let list = Ty::Vec(Box::new(item.clone()));
            decoder(&mut table, "decodeItems", &list, codecs)?;
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

/// What writes a batch of items: they are the only element of a tuple.
fn taken(
    text: &mut Text,
    route: &Route,
    name: &str,
    item: &Ty,
    codecs: &mut Codecs<'_>,
) -> Result<[String; 5], Error> {
    let list = Ty::Vec(Box::new(item.clone()));
    let ty = format!("readonly [items: {}]", codecs.schema.text(&list, "t.", 0)?);
    let tuple = Ty::Tuple(vec![list.clone()]);
    let field = Field {
        name: "items".to_owned(),
        ty: list,
        docs: String::new(),
    };
    let what = Arguments {
        // No route's own name has the sign.
        name: &format!("${name}"),
        place: &route.name,
        fields: &[field],
        tuple: &tuple,
        ty: &ty,
    };
    let (add, put) = request(text, &what, codecs)?;
    let archived = codecs.layout(&tuple)?;
    let items = match ty.contains("Uint8Array]") {
        true => "[Uint8Array.from(items)]",
        false => "[items]",
    };
    Ok([
        items.to_owned(),
        archived.size.to_string(),
        archived.align.to_string(),
        add.unwrap_or_else(|| "undefined".to_owned()),
        put.unwrap_or_else(|| "undefined".to_owned()),
    ])
}

/// What is written as a tuple.
struct Arguments<'a> {
    /// What its functions are called after.
    name: &'a str,
    /// What errors call it.
    place: &'a str,
    fields: &'a [Field],
    tuple: &'a Ty,
    /// Its type.
    ty: &'a str,
}

/// The functions that write a tuple.
fn request(
    text: &mut Text,
    what: &Arguments<'_>,
    codecs: &mut Codecs<'_>,
) -> Result<(Option<String>, Option<String>), Error> {
    let Arguments { name, ty, .. } = what;
    let mut adds = text.nested();
    adds.indent();
    let mut puts = text.nested();
    puts.indent();
    for (index, (arg, offset)) in what
        .fields
        .iter()
        .zip(codecs.offsets(what.tuple)?)
        .enumerate()
    {
        let value = Value {
            code: format!("args[{index}]"),
            place: quoted(&format!("{}({})", what.place, arg.name)),
        };
        codecs.in_routes(|codecs| codecs.add(&mut adds, &arg.ty, &value))?;
        codecs.in_routes(|codecs| codecs.put(&mut puts, &arg.ty, At("at", offset), &value))?;
    }
    let adds_read = codecs.add_reads(what.tuple)?;
    let puts_read = codecs.put_reads(what.tuple)?;
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
            parameters.push(format!("args: {ty}"));
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
