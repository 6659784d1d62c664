//! `codec.ts`: how values are read from archives and written to them, one function for each type with its arguments filled
//! in, straight-line code without tables.

mod functions;
mod items;
mod read;
mod write;

pub(super) use write::Value;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cell_runtime::schema::layout::{Archived, Form, Layouts};
use cell_runtime::schema::{Error, Kind, Prim, Snapshot, Ty};

use super::schema::{Schema, fill, is_generic_u8, is_tuple, plain};
use super::text::{Expr, Text};

/// The codecs of a schema, as far as something asked for them.
#[derive(Debug)]
pub(super) struct Codecs<'a> {
    pub(super) schema: &'a Schema<'a>,
    layouts: Layouts<'a>,
    /// What a type is called in the names of its functions.
    slugs: BTreeMap<Ty, String>,
    taken: BTreeSet<String>,
    deep: BTreeMap<Ty, bool>,
    /// Whether a function of a type reads the value that it is given.
    reads: BTreeMap<Function, bool>,
    /// The functions to write, and those that are.
    wanted: Vec<Function>,
    asked: BTreeSet<Function>,
    /// What stands before a function's name where it is called.
    prefix: &'static str,
}

/// A function of a type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Function {
    job: Job,
    ty: Ty,
}

/// What a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Job {
    /// Reads a value.
    Read,
    /// Writes what a value points to.
    Add,
    /// Writes a value in its place.
    Put,
}

/// A place in an archive: a variable and what is added to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a>(pub(super) &'a str, pub(super) u32);

impl At<'_> {
    fn text(self) -> String {
        match self.1 {
            0 => self.0.to_owned(),
            offset => format!("{} + {offset}", self.0),
        }
    }

    fn plus(self, offset: u32) -> Self {
        At(self.0, self.1 + offset)
    }
}

/// A field, an element or an item that lies inside of its type.
#[derive(Debug, Clone)]
struct Part {
    ty: Ty,
    offset: u32,
}

impl<'a> Codecs<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, schema: &'a Schema<'a>) -> Self {
        Codecs {
            schema,
            layouts: Layouts::new(snapshot),
            slugs: BTreeMap::new(),
            taken: BTreeSet::new(),
            deep: BTreeMap::new(),
            reads: BTreeMap::new(),
            wanted: Vec::new(),
            asked: BTreeSet::new(),
            prefix: "",
        }
    }

    /// Writes code for the file of the routes, which imports the functions.
    pub(super) fn in_routes<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> T {
        self.prefix = "codec.";
        let written = write(self);
        self.prefix = "";
        written
    }

    /// Where the elements of a tuple start.
    pub(super) fn offsets(&mut self, ty: &Ty) -> Result<Vec<u32>, Error> {
        let parts = self.variants(ty)?.into_iter().flatten();
        Ok(parts.map(|part| part.offset).collect())
    }

    /// The functions that were asked for, and those that they ask for.
    pub(super) fn finish(mut self, cell: &str) -> Result<String, Error> {
        let mut functions: BTreeMap<(String, Job), String> = BTreeMap::new();
        while let Some(function) = self.wanted.pop() {
            let mut text = Text::default();
            match function.job {
                Job::Read => self.read_function(&mut text, &function.ty)?,
                Job::Add => self.add_function(&mut text, &function.ty)?,
                Job::Put => self.put_function(&mut text, &function.ty)?,
            }
            let slug = self.slug(&function.ty);
            functions.insert((slug, function.job), text.finish());
        }
        let functions: Vec<String> = functions.into_values().collect();
        let body = functions.join("\n");
        let mut text = Text::headed(&format!("the archives of `{cell}`"));
        let imports = [
            ("cell.", "import type * as cell from \"../cell/index.js\";"),
            ("order.", "import * as order from \"../cell/order.js\";"),
            (
                "Reader",
                "import type { Reader } from \"../cell/reader.js\";",
            ),
            (
                "Writer",
                "import type { Writer } from \"../cell/writer.js\";",
            ),
            ("t.", "import type * as t from \"./types.js\";"),
        ];
        for (word, import) in imports {
            if uses(&body, word) {
                text.line(import);
            }
        }
        if body.is_empty() {
            text.line("export {};");
        }
        Ok(format!("{}\n{body}", text.finish()).trim_end().to_owned() + "\n")
    }

    /// The archived form of a type.
    pub(super) fn layout(&mut self, ty: &Ty) -> Result<Arc<Archived>, Error> {
        self.layouts.of(&plain(ty))
    }

    /// Whether a type takes no bytes.
    fn is_void(&mut self, ty: &Ty) -> Result<bool, Error> {
        Ok(self.layout(ty)?.size == 0)
    }

    /// Whether a type may point to something.
    pub(super) fn is_deep(&mut self, ty: &Ty) -> Result<bool, Error> {
        if let Some(deep) = self.deep.get(ty) {
            return Ok(*deep);
        }
        let deep = match ty {
            Ty::String | Ty::Vec(_) | Ty::Map(..) | Ty::Set(_) | Ty::Box(_) => true,
            Ty::Array(_, 0) => false,
            ty if is_generic_u8(ty) => false,
            Ty::Array(item, _) => self.is_deep(item)?,
            _ => {
                let mut deep = false;
                for parts in self.variants(ty)? {
                    for part in parts {
                        deep = deep || self.is_deep(&part.ty)?;
                    }
                }
                deep
            }
        };
        self.deep.insert(ty.clone(), deep);
        Ok(deep)
    }

    /// Whether statements that write what the elements of a tuple point to mention them.
    pub(super) fn add_reads(&mut self, ty: &Ty) -> Result<bool, Error> {
        self.reads_value(Job::Add, ty)
    }

    /// Whether statements that write the elements of a tuple mention them.
    pub(super) fn put_reads(&mut self, ty: &Ty) -> Result<bool, Error> {
        self.reads_value(Job::Put, ty)
    }

    /// Whether statements that add or put a value mention it: where only pointers are put, they do not.
    fn reads_value(&mut self, job: Job, ty: &Ty) -> Result<bool, Error> {
        if let Some(inner) = self.schema.alias(ty) {
            return self.reads_value(job, &inner);
        }
        if self.is_void(ty)? || (job == Job::Add && !self.is_deep(ty)?) {
            return Ok(false);
        }
        let function = Function {
            job,
            ty: ty.clone(),
        };
        if let Some(reads) = self.reads.get(&function) {
            return Ok(*reads);
        }
        let is_enum = match ty {
            Ty::Named(name, _) => self
                .schema
                .def(name)
                .is_none_or(|def| def.kind == Kind::Enum && def.variants.len() > 1),
            Ty::Tuple(_) => false,
            _ => true,
        };
        let reads = match ty {
            Ty::Box(inner) if job == Job::Add => !self.is_void(inner)?,
            Ty::Vec(_) | Ty::Set(_) | Ty::Map(..) | Ty::Box(_) => job == Job::Add,
            Ty::Array(item, len) if job == Job::Add && self.is_unrolled(item, *len) => {
                self.reads_value(job, item)?
            }
            _ if is_enum => true,
            _ => {
                let mut reads = false;
                for part in self.variants(ty)?.into_iter().flatten() {
                    reads = reads || self.reads_value(job, &part.ty)?;
                }
                reads
            }
        };
        self.reads.insert(function, reads);
        Ok(reads)
    }

    /// The parts of each variant of a type; of its only one where it is no enum.
    fn variants(&mut self, ty: &Ty) -> Result<Vec<Vec<Part>>, Error> {
        let archived = self.layout(ty)?;
        let offsets = |parts: &[cell_runtime::schema::layout::Part]| {
            parts.iter().map(|part| part.offset).collect::<Vec<_>>()
        };
        let offsets: Vec<Vec<u32>> = match &archived.form {
            Form::Struct(_, parts) | Form::Tuple(parts) => vec![offsets(parts)],
            Form::Enum(choices) => choices
                .iter()
                .map(|choice| offsets(&choice.parts))
                .collect(),
            Form::Option(part) => vec![Vec::new(), vec![part.offset]],
            Form::Result(ok, err) => vec![vec![ok.offset], vec![err.offset]],
            _ => Vec::new(),
        };
        let tys: Vec<Vec<Ty>> = match ty {
            Ty::Tuple(tys) => vec![tys.clone()],
            Ty::Option(inner) => vec![Vec::new(), vec![(**inner).clone()]],
            Ty::Result(ok, err) => vec![vec![(**ok).clone()], vec![(**err).clone()]],
            Ty::Named(name, args) => {
                let def = self
                    .schema
                    .def(name)
                    .ok_or_else(|| Error::new(format!("there is no type `{name}`")))?;
                let own = std::iter::once(&def.fields).filter(|_| def.variants.is_empty());
                let fields = own.chain(def.variants.iter().map(|variant| &variant.fields));
                fields
                    .map(|fields| fields.iter().map(|field| fill(&field.ty, args)).collect())
                    .collect()
            }
            _ => Vec::new(),
        };
        let parts = tys.into_iter().zip(offsets);
        Ok(parts
            .map(|(tys, offsets)| {
                let parts = tys.into_iter().zip(offsets);
                parts.map(|(ty, offset)| Part { ty, offset }).collect()
            })
            .collect())
    }

    /// Whether the items of a short array are written one by one.
    fn is_unrolled(&self, item: &Ty, len: u64) -> bool {
        let simple = match item {
            Ty::Option(_) | Ty::Result(..) | Ty::Tuple(_) | Ty::Array(..) => false,
            Ty::Named(..) => self.schema.alias(item).is_none(),
            _ => true,
        };
        is_tuple(len) && simple
    }

    /// The name of a function, which is then written.
    fn function(&mut self, job: Job, ty: &Ty) -> String {
        let function = Function {
            job,
            ty: ty.clone(),
        };
        if self.asked.insert(function.clone()) {
            self.wanted.push(function);
        }
        let verb = match job {
            Job::Read => "read",
            Job::Add => "add",
            Job::Put => "put",
        };
        let slug = self.slug(ty);
        format!("{}{verb}{slug}", self.prefix)
    }

    fn slug(&mut self, ty: &Ty) -> String {
        const LONGEST: usize = 40;
        if let Some(slug) = self.slugs.get(ty) {
            return slug.clone();
        }
        let mut slug = String::new();
        for c in ty.to_string().chars().take(4 * LONGEST) {
            if c.is_ascii_alphanumeric() || c == '_' {
                slug.push(c);
            } else if !slug.is_empty() && !slug.ends_with('$') {
                slug.push('$');
            }
        }
        slug.truncate(LONGEST);
        let mut slug = slug.trim_end_matches('$').to_owned();
        match ty {
            Ty::Tuple(_) => slug.insert_str(0, "Tuple$"),
            Ty::Array(..) => slug.insert_str(0, "Array$"),
            _ => {}
        }
        if !slug.starts_with(|c: char| c.is_ascii_uppercase()) {
            slug.insert(0, '$');
        }
        let mut number = 2;
        let base = slug.clone();
        while !self.taken.insert(slug.clone()) {
            slug = format!("{base}${number}");
            number += 1;
        }
        self.slugs.insert(ty.clone(), slug.clone());
        slug
    }

    /// A type as the codecs write it.
    fn text(&self, ty: &Ty) -> Result<String, Error> {
        self.schema.text(ty, "t.", 0)
    }
}

/// The method of readers and writers for a type without parts.
fn method(prim: Prim) -> &'static str {
    prim.name()
}

/// Whether a text has a word, not just as the end of another one.
pub(super) fn uses(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.' | '"'))
    })
}

/// A value that takes no bytes.
fn nothing() -> Expr {
    Expr::Text("undefined".to_owned())
}
