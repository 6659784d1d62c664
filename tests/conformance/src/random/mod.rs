//! Random schemas, their values, and edits of them, all from a number: the same number gives the same again.

mod draw;
mod edit;
mod rust;
mod value;

pub use edit::{Edit, edit};
pub use rust::{Style, archive_source, source};
pub use value::{Value, json, value};

use cell_sdk::schema::{Error, Field, Records, Route, Shape, Snapshot, TypeDef};
use serde_json::json;

/// Numbers that follow from the first one (SplitMix64).
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// Starts anew.
    #[must_use]
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Whether, in this many of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// What a service's source says: definitions and routes, nothing computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The service's name.
    pub name: String,
    /// The definitions, in the order in which the source has them.
    pub types: Vec<TypeDef>,
    /// The routes, in the order in which the source has them.
    pub routes: Vec<Route>,
}

impl Model {
    /// A random one.
    #[must_use]
    pub fn random(name: &str, seed: u64) -> Model {
        draw::model(name, &mut Rng::new(seed))
    }

    /// Its schema, through the records that the macros would leave.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let fields = |fields: &[Field]| -> Vec<_> {
            let field = |field: &Field| json!({ "n": field.name, "ty": field.ty.to_string(), "docs": field.docs });
            fields.iter().map(field).collect()
        };
        let mut section = Vec::new();
        for def in &self.types {
            let variants: Vec<_> = def
                .variants
                .iter()
                .map(|variant| json!({ "n": variant.name, "shape": variant.shape, "docs": variant.docs, "fields": fields(&variant.fields) }))
                .collect();
            push(
                &mut section,
                &json!({
                    "k": def.kind, "id": def.name, "name": def.name, "params": def.params, "shape": def.shape, "docs": def.docs,
                    "fields": fields(&def.fields), "variants": variants,
                }),
            );
        }
        let routes: Vec<_> = self
            .routes
            .iter()
            .map(|route| {
                let err = route.err.as_ref().map(ToString::to_string);
                json!({ "n": route.name, "docs": route.docs, "args": fields(&route.args), "ok": route.res.to_string(), "err": err })
            })
            .collect();
        push(
            &mut section,
            &json!({ "k": "service", "id": self.name, "name": self.name, "routes": routes }),
        );
        Records::parse(&section)?.service(None)
    }

    /// Every list of fields, with its shape: those of structs and variants, and the arguments of routes.
    fn lists(&mut self) -> Vec<(Shape, &mut Vec<Field>)> {
        let mut lists = Vec::new();
        for def in &mut self.types {
            if def.variants.is_empty() {
                lists.push((def.shape, &mut def.fields));
            }
            lists.extend(
                def.variants
                    .iter_mut()
                    .map(|variant| (variant.shape, &mut variant.fields)),
            );
        }
        lists.extend(
            self.routes
                .iter_mut()
                .map(|route| (Shape::Named, &mut route.args)),
        );
        lists
    }
}

fn push(section: &mut Vec<u8>, record: &serde_json::Value) {
    let json = record.to_string();
    section.extend_from_slice(b"CELLREC1");
    section.extend_from_slice(&(json.len() as u32).to_le_bytes());
    section.extend_from_slice(json.as_bytes());
}
