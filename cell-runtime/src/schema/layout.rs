//! Where everything lies in an archive: sizes, alignments and offsets, as rkyv 0.8 with `little_endian`, `aligned` and
//! `pointer_width_32` lays them out. `docs/schema.md` says the rules in words.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::limits::{LAYOUTS_MAX, SIZE_MAX, TY_DEPTH_MAX};
use super::{Error, Field, Kind, Prim, Shape, Snapshot, Ty, TypeDef, TypeLayout, canonical};

/// The archived form of a type with all parameters filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// Its size in bytes.
    pub size: u32,
    /// Its alignment in bytes.
    pub align: u32,
    /// What it is made of.
    pub form: Form,
}

/// What an archived type is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// A number, `bool` or `char`.
    Prim(Prim),
    /// 8 bytes: up to 8 inline, or length and offset.
    String,
    /// Seconds as `u64`, nanoseconds as `u32` at 8.
    Duration,
    /// Offset and length; also sets.
    Vec(Ty),
    /// Offset and length of entries: the key, then the value.
    Map(Ty, Ty, Ty),
    /// An offset.
    Box(Ty),
    /// The elements one after the other.
    Array(Ty, u64),
    /// A struct.
    Struct(Shape, Vec<Part>),
    /// A tuple.
    Tuple(Vec<Part>),
    /// A tag byte, and each variant's fields as if behind the tag in a struct of their own.
    Enum(Vec<Choice>),
    /// As an enum of `None` and `Some`.
    Option(Part),
    /// As an enum of `Ok` and `Err`.
    Result(Part, Part),
}

/// A part of an archived type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name or number.
    pub name: String,
    /// Its type.
    pub ty: Ty,
    /// Where it starts.
    pub offset: u32,
}

/// A variant of an archived enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// How its fields are written.
    pub shape: Shape,
    /// Its fields.
    pub parts: Vec<Part>,
}

/// Computes archived forms and remembers them.
#[derive(Debug)]
pub struct Layouts<'a> {
    defs: BTreeMap<&'a str, &'a TypeDef>,
    known: HashMap<Ty, Arc<Archived>>,
    /// What is being computed, outermost first: a type that meets itself here has no size.
    open: Vec<Ty>,
}

impl<'a> Layouts<'a> {
    /// For the definitions of a snapshot.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let defs = snapshot.types.iter();
        Layouts {
            defs: defs.map(|def| (def.name.as_str(), def)).collect(),
            known: HashMap::new(),
            open: Vec::new(),
        }
    }

    /// The archived form of a type without parameters.
    pub fn of(&mut self, ty: &Ty) -> Result<Arc<Archived>, Error> {
        if let Some(known) = self.known.get(ty) {
            return Ok(Arc::clone(known));
        }
        if self.open.contains(ty) {
            return Err(
                Error::new(format!("`{ty}` holds itself and so has no size"))
                    .hint("put a `Box` or a `Vec` around it"),
            );
        }
        if self.open.len() >= TY_DEPTH_MAX {
            return Err(Error::new(format!(
                "types nest deeper than {TY_DEPTH_MAX} at `{ty}`"
            )));
        }
        if self.known.len() >= LAYOUTS_MAX {
            return Err(Error::new(format!("needs more than {LAYOUTS_MAX} types"))
                .hint("does a generic type refer to itself with ever larger arguments?"));
        }
        self.open.push(ty.clone());
        let archived = self.compute(ty);
        self.open.pop();
        let archived = Arc::new(archived?);
        self.known.insert(ty.clone(), Arc::clone(&archived));
        Ok(archived)
    }

    /// Every type that `roots` reach, through pointers as well.
    pub fn reach<'b>(
        &mut self,
        roots: impl Iterator<Item = &'b Ty>,
    ) -> Result<BTreeMap<Ty, Arc<Archived>>, Error> {
        let mut reached = BTreeMap::new();
        let mut wanted: Vec<Ty> = roots.cloned().collect();
        while let Some(ty) = wanted.pop() {
            if reached.contains_key(&ty) {
                continue;
            }
            let archived = self.of(&ty)?;
            archived.each_part(&mut |part| wanted.push(part.clone()));
            reached.insert(ty, archived);
        }
        Ok(reached)
    }

    fn compute(&mut self, ty: &Ty) -> Result<Archived, Error> {
        let fixed = |size, align, form| Ok(Archived { size, align, form });
        match ty {
            Ty::Prim(prim) => fixed(prim.size(), prim.size(), Form::Prim(*prim)),
            Ty::String => fixed(8, 4, Form::String),
            Ty::Duration => fixed(16, 8, Form::Duration),
            Ty::Vec(item) | Ty::Set(item) => fixed(8, 4, Form::Vec((**item).clone())),
            Ty::Map(key, value) => {
                let entry = Ty::Tuple(vec![(**key).clone(), (**value).clone()]);
                let form = Form::Map((**key).clone(), (**value).clone(), entry);
                fixed(8, 4, form)
            }
            Ty::Box(inner) => fixed(4, 4, Form::Box((**inner).clone())),
            Ty::Array(item, len) => self.array(item, *len),
            Ty::Tuple(tys) => {
                let mut record = Record::new(0);
                let parts = self.parts(&mut record, numbered(tys))?;
                record.finish(Form::Tuple(parts))
            }
            Ty::Option(inner) => {
                let mut some = Record::new(1);
                let part = self.part(&mut some, "Some", inner)?;
                some.finish(Form::Option(part))
            }
            Ty::Result(ok, err) => {
                let mut record = Record::new(1);
                let ok = self.part(&mut record, "Ok", ok)?;
                let mut other = Record::new(1);
                let err = self.part(&mut other, "Err", err)?;
                record.or(&other);
                record.finish(Form::Result(ok, err))
            }
            Ty::Param(index) => Err(Error::new(format!(
                "the parameter `${index}` is not filled in"
            ))),
            Ty::Named(name, args) => self.named(name, args),
        }
    }

    fn array(&mut self, item: &Ty, len: u64) -> Result<Archived, Error> {
        let inner = self.of(item)?;
        let size = u64::from(inner.size)
            .checked_mul(len)
            .filter(|size| *size <= SIZE_MAX)
            .ok_or_else(|| too_large(format_args!("[{item};{len}]")))?;
        Ok(Archived {
            // Fits: it is at most `SIZE_MAX`.
            size: size as u32,
            align: inner.align,
            form: Form::Array(item.clone(), len),
        })
    }

    fn named(&mut self, name: &str, args: &[Ty]) -> Result<Archived, Error> {
        let def = *self
            .defs
            .get(name)
            .ok_or_else(|| Error::new(format!("there is no type `{name}`")))?;
        if def.params != args.len() {
            return Err(Error::new(format!(
                "`{name}` has {} type parameters, and {} arguments are given",
                def.params,
                args.len()
            )));
        }
        match def.kind {
            Kind::Struct => {
                let mut record = Record::new(0);
                let parts = self.fields(&mut record, &def.fields, args)?;
                record.finish(Form::Struct(def.shape, parts))
            }
            Kind::Enum => {
                let mut whole = Record::new(1);
                let mut choices = Vec::new();
                for variant in &def.variants {
                    let mut record = Record::new(1);
                    choices.push(Choice {
                        name: variant.name.clone(),
                        shape: variant.shape,
                        parts: self.fields(&mut record, &variant.fields, args)?,
                    });
                    whole.or(&record);
                }
                whole.finish(Form::Enum(choices))
            }
        }
    }

    fn fields(
        &mut self,
        record: &mut Record,
        fields: &[Field],
        args: &[Ty],
    ) -> Result<Vec<Part>, Error> {
        let mut parts = Vec::with_capacity(fields.len());
        for field in fields {
            let ty = field.ty.fill(args)?;
            parts.push(self.part(record, &field.name, &ty)?);
        }
        Ok(parts)
    }

    fn parts(
        &mut self,
        record: &mut Record,
        tys: impl Iterator<Item = (String, Ty)>,
    ) -> Result<Vec<Part>, Error> {
        tys.map(|(name, ty)| self.part(record, &name, &ty))
            .collect()
    }

    fn part(&mut self, record: &mut Record, name: &str, ty: &Ty) -> Result<Part, Error> {
        let archived = self.of(ty)?;
        Ok(Part {
            name: name.to_owned(),
            ty: ty.clone(),
            offset: record.add(&archived)?,
        })
    }
}

fn numbered(tys: &[Ty]) -> impl Iterator<Item = (String, Ty)> {
    let numbers = (0..).map(|index: usize| index.to_string());
    numbers.zip(tys.iter().cloned())
}

fn too_large(what: impl std::fmt::Display) -> Error {
    Error::new(format!("`{what}` takes more than {SIZE_MAX} bytes"))
}

/// A C struct that grows field by field.
struct Record {
    size: u64,
    align: u32,
}

impl Record {
    /// With this many bytes in front: 1 for a tag.
    fn new(size: u64) -> Self {
        Record { size, align: 1 }
    }

    fn add(&mut self, archived: &Archived) -> Result<u32, Error> {
        let offset = self.size.next_multiple_of(u64::from(archived.align));
        self.size = offset + u64::from(archived.size);
        self.align = self.align.max(archived.align);
        if self.size > SIZE_MAX {
            return Err(too_large("a type"));
        }
        // Fits: it is at most `SIZE_MAX`.
        Ok(offset as u32)
    }

    fn or(&mut self, other: &Record) {
        self.size = self.size.max(other.size);
        self.align = self.align.max(other.align);
    }

    fn finish(self, form: Form) -> Result<Archived, Error> {
        let size = self.size.next_multiple_of(u64::from(self.align));
        Ok(Archived {
            // Fits: `add` bounds it, and rounding adds less than an alignment.
            size: size as u32,
            align: self.align,
            form,
        })
    }
}

impl Archived {
    /// Calls `visit` with each type directly inside, behind a pointer or not.
    pub fn each_part(&self, visit: &mut dyn FnMut(&Ty)) {
        match &self.form {
            Form::Prim(_) | Form::String | Form::Duration => {}
            Form::Vec(ty) | Form::Box(ty) | Form::Array(ty, _) => visit(ty),
            Form::Map(key, value, entry) => {
                visit(key);
                visit(value);
                visit(entry);
            }
            Form::Struct(_, parts) | Form::Tuple(parts) => {
                parts.iter().for_each(|part| visit(&part.ty));
            }
            Form::Enum(choices) => {
                let parts = choices.iter().flat_map(|choice| &choice.parts);
                parts.for_each(|part| visit(&part.ty));
            }
            Form::Option(part) => visit(&part.ty),
            Form::Result(ok, err) => {
                visit(&ok.ty);
                visit(&err.ty);
            }
        }
    }
}

/// The layouts that a snapshot holds: those of structs, enums and tuples that its routes reach.
pub(crate) fn table(snapshot: &Snapshot) -> Result<Vec<TypeLayout>, Error> {
    let mut layouts = Layouts::new(snapshot);
    let routes = snapshot.routes.iter();
    let roots = routes.flat_map(|route| canonical::route_tys(route).chain([&route.req]));
    let reached = layouts.reach(roots)?;
    let offsets = |parts: &[Part]| parts.iter().map(|part| part.offset).collect::<Vec<_>>();
    let mut table: Vec<TypeLayout> = Vec::new();
    for (ty, archived) in reached {
        let (fields, variants) = match &archived.form {
            Form::Struct(_, parts) => (offsets(parts), Vec::new()),
            Form::Tuple(parts) if !parts.is_empty() => (offsets(parts), Vec::new()),
            Form::Enum(choices) => {
                let variants = choices.iter().map(|choice| offsets(&choice.parts));
                (Vec::new(), variants.collect())
            }
            _ => continue,
        };
        table.push(TypeLayout {
            ty,
            size: archived.size,
            align: archived.align,
            offsets: fields,
            variants,
        });
    }
    table.sort_by_cached_key(|layout| layout.ty.to_string());
    Ok(table)
}
