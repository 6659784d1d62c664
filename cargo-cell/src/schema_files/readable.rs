//! A snapshot as people read it: routes and types in the words of Rust, with docs, sizes and fingerprints.

use cell_runtime::schema::{Field, Kind, Route, Shape, Snapshot, Ty, TypeDef};

/// The text that `cargo cell schema` prints.
#[must_use]
pub fn readable(snapshot: &Snapshot) -> String {
    let mut text = Lines::default();
    text.docs("", &snapshot.docs);
    text.line(&format!(
        "service {} {}",
        snapshot.name, snapshot.fingerprint
    ));
    for route in &snapshot.routes {
        text.line("");
        text.docs("", &route.docs);
        text.line(&signature(route));
    }
    for def in &snapshot.types {
        text.line("");
        text.docs("", &def.docs);
        definition(&mut text, snapshot, def);
    }
    text.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// Control characters would reach the terminal.
    fn docs(&mut self, indent: &str, docs: &str) {
        for line in docs.lines() {
            let plain: String = line.chars().filter(|c| !c.is_control()).collect();
            self.line(format!("{indent}/// {plain}").trim_end());
        }
    }
}

fn signature(route: &Route) -> String {
    let args: Vec<String> = route
        .args
        .iter()
        .map(|arg| format!("{}: {}", arg.name, arg.ty))
        .collect();
    let takes = route.takes.iter().map(|item| format!("stream of {item}"));
    let args: Vec<String> = args.into_iter().chain(takes).collect();
    let value = match &route.err {
        Some(err) => format!(
            "Result<{}, {err}>",
            route.yields.as_ref().unwrap_or(&route.res)
        ),
        None => route.yields.as_ref().unwrap_or(&route.res).to_string(),
    };
    let answer = match &route.yields {
        Some(_) => format!("stream of {value}"),
        None => value,
    };
    format!(
        "{}({}) -> {answer}    // {}",
        route.name,
        args.join(", "),
        route.fingerprint
    )
}

fn definition(text: &mut Lines, snapshot: &Snapshot, def: &TypeDef) {
    let params = parameters(def.params);
    let head = match params.is_empty() {
        true => def.name.clone(),
        false => format!("{}<{}>", def.name, params.join(", ")),
    };
    let layout = snapshot
        .layouts
        .iter()
        .find(|layout| matches!(&layout.ty, Ty::Named(name, args) if *name == def.name && args.is_empty()));
    let size = layout.map_or(String::new(), |layout| {
        let bytes = if layout.size == 1 { "byte" } else { "bytes" };
        format!(
            "    // {} {bytes}, aligned to {}",
            layout.size, layout.align
        )
    });
    match def.kind {
        Kind::Struct => match def.shape {
            Shape::Unit => text.line(&format!("struct {head};{size}")),
            Shape::Tuple => text.line(&format!(
                "struct {head}({});{size}",
                types(&def.fields, &params)
            )),
            Shape::Named => {
                text.line(&format!("struct {head} {{{size}"));
                fields(text, "    ", &def.fields, &params);
                text.line("}");
            }
        },
        Kind::Enum => {
            text.line(&format!("enum {head} {{{size}"));
            for variant in &def.variants {
                text.docs("    ", &variant.docs);
                let name = &variant.name;
                match variant.shape {
                    Shape::Unit => text.line(&format!("    {name},")),
                    Shape::Tuple => {
                        text.line(&format!("    {name}({}),", types(&variant.fields, &params)))
                    }
                    Shape::Named => {
                        text.line(&format!("    {name} {{"));
                        fields(text, "        ", &variant.fields, &params);
                        text.line("    },");
                    }
                }
            }
            text.line("}");
        }
    }
}

fn fields(text: &mut Lines, indent: &str, fields: &[Field], params: &[String]) {
    for field in fields {
        text.docs(indent, &field.docs);
        let ty = named(&field.ty, params);
        text.line(&format!("{indent}{}: {ty},", field.name));
    }
}

fn types(fields: &[Field], params: &[String]) -> String {
    let types: Vec<String> = fields
        .iter()
        .map(|field| named(&field.ty, params))
        .collect();
    types.join(", ")
}

/// `T` for one parameter, `A`, `B`, … for several: there are at most sixteen.
fn parameters(count: usize) -> Vec<String> {
    match count {
        1 => vec!["T".to_owned()],
        count => ('A'..='Z').take(count).map(String::from).collect(),
    }
}

/// The type with the names of its parameters in the place of their numbers.
fn named(ty: &Ty, params: &[String]) -> String {
    let mut text = ty.to_string();
    // The highest first: `$1` is the start of `$10`.
    for (index, name) in params.iter().enumerate().rev() {
        text = text.replace(&format!("${index}"), name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_reads_like_rust() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../templates/hello/schema/button_service.json"
        );
        #[expect(
            clippy::disallowed_methods,
            reason = "the test reads a committed snapshot"
        )]
        let json = std::fs::read_to_string(path).expect("it is committed");
        let snapshot = Snapshot::from_json(&json).expect("it is sound");
        let text = readable(&snapshot);
        let route = snapshot.route("get_state").expect("it has one");
        let signature = format!(
            "/// The state of one button.\nget_state(id: String) -> ButtonState    // {}\n",
            route.fingerprint
        );
        let first = format!("service button_service {}\n", snapshot.fingerprint);
        for part in [
            first.as_str(),
            &signature,
            "struct ButtonState {    // 8 bytes, aligned to 4\n    pressed: bool,\n    hover_t: f32,\n}\n",
        ] {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
    }

    #[test]
    fn parameters_have_names() {
        assert_eq!(parameters(0), Vec::<String>::new());
        assert_eq!(parameters(1), ["T"]);
        assert_eq!(parameters(2), ["A", "B"]);
        let ty = Ty::Vec(Box::new(Ty::Param(0)));
        assert_eq!(named(&ty, &parameters(1)), "Vec<T>");
    }
}
