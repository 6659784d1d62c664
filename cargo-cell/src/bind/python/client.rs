//! The modules around types and codecs: what the cell is, its clients, and what the package gives to a program.

use cell_runtime::schema::layout::Layouts;
use cell_runtime::schema::{Error, Fingerprint, Route, Snapshot};

use super::names::{self, Chunk, Names, SHARED, error_name, natural};
use super::rep::{Lowering, Rep, Style};
use super::text::Text;
use super::types::{in_place, said};

/// What stands in the lock and in the binding. Both are in the checkers' messages where they differ, so it says what to do.
fn proof(fingerprint: Fingerprint) -> String {
    format!("\"schema {fingerprint}, run: cargo cell bind\"")
}

/// The text of `_lock.py`.
pub(super) fn lock(cell: &str, fingerprint: Fingerprint) -> String {
    let proof = proof(fingerprint);
    let mut text = Text::default();
    super::head(&mut text);
    text.docs(&format!("What the schema of `{cell}` is now."));
    text.line("");
    text.line("from typing import Literal");
    text.line("");
    text.line(&format!("SCHEMA: Literal[{proof}] = ("));
    text.line(&format!("    {proof}"));
    text.line(")");
    text.finish()
}

/// The text of `_schema.py`: the check against the lock.
pub(super) fn schema(snapshot: &Snapshot) -> String {
    let fingerprint = snapshot.fingerprint;
    let mut text = Text::default();
    super::head(&mut text);
    text.docs(&format!(
        "What this package was generated from: `{}`.",
        snapshot.name
    ));
    text.line("");
    text.line("from typing import Literal");
    text.line("");
    text.line("from .._cell import drift");
    text.line("from ._lock import SCHEMA");
    text.line("");
    text.line(&format!("CELL = \"{}\"", snapshot.name));
    text.line(&format!("FINGERPRINT = {}", digits(fingerprint)));
    text.line("");
    text.line(
        "# Where this is an error, the cell's schema is no longer the one that this package was",
    );
    text.line("# generated from, and `_lock.py` says which it is now. Run: cargo cell bind");
    text.line(&format!(
        "_GENERATED_FROM: Literal[{}] = SCHEMA",
        proof(fingerprint)
    ));
    text.line("");
    text.line("_message = drift(CELL, FINGERPRINT, SCHEMA)");
    text.open("if _message is not None:");
    text.line("raise ImportError(_message)");
    text.dedent();
    text.finish()
}

/// A number as `ruff format` leaves it: hex digits are upper case.
pub(super) fn digits(fingerprint: Fingerprint) -> String {
    format!("0x{:016X}", fingerprint.0)
}

/// The text of `__init__.py`.
pub(super) fn init(snapshot: &Snapshot, names: &Names) -> String {
    let mut text = Text::default();
    super::head(&mut text);
    let mut docs = format!("Calls the cell `{}`.", snapshot.name);
    if !snapshot.docs.trim().is_empty() {
        docs.push_str("\n\n");
        docs.push_str(&snapshot.docs);
    }
    text.docs(&docs);
    text.line("");
    let import = |name: &str| match names.own(name) {
        own if own == name => name.to_owned(),
        own => format!("{name} as {own}"),
    };
    let shared: Vec<String> = SHARED.into_iter().map(import).collect();
    imports(&mut text, ".._cell", &shared);
    imports(&mut text, ".", &[import("aio")]);
    imports(
        &mut text,
        "._schema",
        &[import("CELL"), import("FINGERPRINT")],
    );
    imports(
        &mut text,
        ".client",
        &[import("AsyncClient"), import("Client"), import("connect")],
    );
    let mut classes: Vec<String> = names.classes().map(str::to_owned).collect();
    classes.sort_by_cached_key(|class| isort_key(class));
    imports(&mut text, ".messages", &classes);
    let routes = snapshot
        .routes
        .iter()
        .map(|route| names::identifier(&route.name));
    text.line("");
    text.line(
        "# What the functions below call through: the cell wherever it runs on this machine.",
    );
    text.line(&format!("_client = {}()", names.own("Client")));
    for route in &snapshot.routes {
        let name = names::identifier(&route.name);
        text.line(&format!("{name} = _client.{name}"));
    }
    let own = [
        "AsyncClient",
        "CELL",
        "Client",
        "FINGERPRINT",
        "aio",
        "connect",
    ];
    let own = own
        .into_iter()
        .chain(SHARED)
        .map(|name| names.own(name).to_owned());
    let all = own.chain(classes).chain(routes).collect();
    all_of(&mut text, all);
    text.finish()
}

/// The text of `aio.py`.
pub(super) fn aio(snapshot: &Snapshot, names: &Names) -> String {
    let mut text = Text::default();
    super::head(&mut text);
    text.docs(&format!("Calls the cell `{}` with asyncio.", snapshot.name));
    text.line("");
    let connect = names.own("connect");
    text.line("from .client import AsyncClient as _AsyncClient");
    text.line(&format!("from .client import connect_async as {connect}"));
    text.line("");
    text.line("_client = _AsyncClient()");
    let mut all = vec![connect.to_owned()];
    for route in &snapshot.routes {
        let name = names::identifier(&route.name);
        text.line(&format!("{name} = _client.{name}"));
        all.push(name);
    }
    all_of(&mut text, all);
    text.finish()
}

fn all_of(text: &mut Text, mut all: Vec<String>) {
    text.line("");
    all.sort_by_cached_key(|name| isort_key(name));
    let all: Vec<String> = all.iter().map(|name| format!("\"{name}\"")).collect();
    text.list("__all__ = [", &all, "]");
}

/// An import: on one line, or one name a line.
fn imports(text: &mut Text, from: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let line = format!("from {from} import {}", names.join(", "));
    if text.fits(&line) {
        return text.line(&line);
    }
    text.list(&format!("from {from} import ("), names, ")");
}

/// How imports are sorted: constants, classes, then the rest.
fn isort_key(name: &str) -> (u8, Vec<Chunk>) {
    let is_constant = name.len() > 1 && !name.chars().any(|c| c.is_ascii_lowercase());
    let is_class = name.starts_with(|c: char| c.is_ascii_uppercase());
    let group = match (is_constant, is_class) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    };
    (group, natural(name))
}

/// The text of `client.py`.
pub(super) fn client(
    snapshot: &Snapshot,
    names: &Names,
    lowering: &Lowering<'_>,
) -> Result<String, Error> {
    let mut client = Clients {
        snapshot,
        names,
        style: Style {
            names,
            lowering,
            own: "_messages.",
            shared: "_cell.",
            is_among_methods: true,
            takes: None,
        },
        layouts: Layouts::new(snapshot),
    };
    let mut body = Text::default();
    client.class(&mut body, false)?;
    client.class(&mut body, true)?;
    for (name, class, what) in [
        ("connect", "Client", "A client"),
        ("connect_async", "AsyncClient", "An asyncio client"),
    ] {
        body.item(|text| {
            text.open(&format!(
                "def {name}(address: str, *, timeout: float = 10.0) -> {class}:"
            ));
            text.docs(&format!(
                "{what} of the cell at an address, such as `/run/cells/{0}.sock`, or\n`{0}@host.example:4433` on another machine.",
                snapshot.name
            ));
            text.line(&format!("return {class}(address, timeout=timeout)"));
            text.dedent();
        });
    }
    let mut text = Text::default();
    super::head(&mut text);
    text.docs(&format!("The clients of `{}`.", snapshot.name));
    text.line("");
    text.line("from __future__ import annotations");
    text.line("");
    if body.as_str().contains("_builtins.") {
        text.line("import builtins as _builtins");
    }
    if body.as_str().contains("_abc.") {
        text.line("from collections import abc as _abc");
    }
    text.imported();
    text.line("from .. import _cell");
    text.line("from . import codec as _codec");
    if body.as_str().contains("_messages.") {
        text.line("from . import messages as _messages");
    }
    text.line("from ._schema import CELL, FINGERPRINT");
    Ok(format!("{}{}", text.as_str(), body.finish()))
}

struct Clients<'a> {
    snapshot: &'a Snapshot,
    names: &'a Names,
    style: Style<'a>,
    layouts: Layouts<'a>,
}

impl Clients<'_> {
    fn class(&mut self, text: &mut Text, is_async: bool) -> Result<(), Error> {
        const DOCS: &str = "Without an address, the cell wherever it runs on this machine.\n\nCalls end after `timeout` seconds where they have none of their own.";
        let (class, base) = match is_async {
            true => ("AsyncClient", "AsyncioClient"),
            false => ("Client", "SyncClient"),
        };
        let mut methods = Vec::new();
        for route in &self.snapshot.routes {
            let method = self.method(route, is_async);
            methods.push(
                method.map_err(|error| in_place(&error, &format!("route `{}`", route.name)))?,
            );
        }
        let (text_type, float) = (self.style.builtin("str"), self.style.builtin("float"));
        let close = &self.names.close;
        let cell = &self.snapshot.name;
        text.item(|text| {
            text.open(&format!("class {class}(_cell.{base}):"));
            text.docs(&said(&self.snapshot.docs, &format!("Calls `{cell}`.")));
            text.line("");
            text.line("__slots__ = ()");
            text.line("");
            let params = [
                "self".to_owned(),
                format!("address: {text_type} | None = None"),
                "*".to_owned(),
                format!("timeout: {float} = 10.0"),
            ];
            text.list("def __init__(", &params, ") -> None:");
            text.open_body();
            text.docs(DOCS);
            text.line("super().__init__(CELL, FINGERPRINT, address, timeout)");
            text.dedent();
            text.line("");
            text.open(&format!("def {close}(self) -> None:"));
            text.docs("Ends the connection and the calls in flight.");
            text.line("self._channel.close()");
            text.dedent();
            for method in methods {
                text.line("");
                method(text);
            }
            text.dedent();
        });
        Ok(())
    }

    fn method(
        &mut self,
        route: &Route,
        is_async: bool,
    ) -> Result<impl FnOnce(&mut Text) + use<>, Error> {
        let takes = Style {
            takes: Some("_abc."),
            ..self.style
        };
        let mut params = vec!["self".to_owned()];
        let mut args: Vec<String> = Vec::new();
        for arg in &route.args {
            let rep = self.style.lowering.route(&arg.ty, &mut self.layouts)?;
            let name = names::identifier(&arg.name);
            if args.contains(&name) {
                return Err(
                    Error::new(format!("two of its arguments are `{name}` in Python"))
                        .hint("rename one of them"),
                );
            }
            params.push(format!("{name}: {}", rep.python(&takes)?));
            args.push(name);
        }
        let plain = args.len();
        if let Some(item) = &route.takes {
            let item = self.style.lowering.route(item, &mut self.layouts)?;
            let item = item.python(&takes)?;
            let mut name = "items".to_owned();
            while args.contains(&name) {
                name.push('_');
            }
            params.push(match is_async {
                true => format!("{name}: _abc.AsyncIterable[{item}] | _abc.Iterable[{item}]"),
                false => format!("{name}: _abc.Iterable[{item}]"),
            });
            args.push(name);
        }
        let mut timeout = "timeout".to_owned();
        while args.contains(&timeout) {
            timeout.push('_');
        }
        params.push("*".to_owned());
        params.push(format!(
            "{timeout}: {} | None = None",
            self.style.builtin("float")
        ));
        let rep = self.style.lowering.route(&route.res, &mut self.layouts)?;
        let mut ty = rep.python(&self.style)?;
        if let Some(item) = &route.yields {
            let item = self.style.lowering.route(item, &mut self.layouts)?;
            let kind = if is_async {
                "AsyncIterator"
            } else {
                "Iterator"
            };
            ty = format!("_abc.{kind}[{}]", item.python(&self.style)?);
        }
        let name = route.name.clone();
        let method = names::identifier(&name);
        let mut docs = said(&route.docs, &format!("Calls `{name}`."));
        if let Some(err) = &route.err {
            let error = error_name(err).map_or_else(|| "ErrorValue".to_owned(), names::class);
            docs.push_str(&format!("\n\nRaises `{error}` where the handler fails."));
        }
        let mut given = vec![
            format!("_codec.route_{name}"),
            format!("_codec.request_{name}({})", args[..plain].join(", ")),
        ];
        for items in &args[plain..] {
            given.extend([items.clone(), format!("_codec.batch_{name}")]);
        }
        if route.yields.is_some() {
            given.push(format!("_codec.items_{name}"));
        }
        given.push(timeout);
        let call = match (&route.takes, &route.yields) {
            (None, None) => "call",
            (None, Some(_)) => "receive",
            (Some(_), None) => "collect",
            (Some(_), Some(_)) => "exchange",
        };
        // An iterator is made at once; what it gives is waited for.
        let waits = is_async && route.yields.is_none();
        let gives = rep != Rep::Unit || route.yields.is_some();
        Ok(move |text: &mut Text| {
            let (keyword, wait) = match waits {
                true => ("async def", "await "),
                false => ("def", ""),
            };
            text.list(
                &format!("{keyword} {method}("),
                &params,
                &format!(") -> {ty}:"),
            );
            text.open_body();
            text.docs(&docs);
            let give = if gives { "return " } else { "" };
            text.statement(&format!(
                "{give}{wait}self._channel.{call}({})",
                given.join(", ")
            ));
            text.dedent();
        })
    }
}

/// The text of `pyproject.toml`.
pub(super) fn pyproject(name: &str) -> String {
    let package: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '_'
            }
        })
        .collect();
    format!(
        "[project]\nname = \"{}\"\nversion = \"0.1.0\"\nrequires-python = \">=3.10\"\n\n# For cells of other machines.\n[project.optional-dependencies]\nquic = [\"aioquic>=1.3,<2\"]\n\n[build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n\n[tool.hatch.build.targets.wheel]\nonly-include = [\".\"]\n\n[tool.hatch.build.targets.wheel.sources]\n\"\" = \"{package}\"\n",
        package.trim_matches('_').replace('_', "-")
    )
}
