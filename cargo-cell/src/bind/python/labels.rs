//! What the functions of a codec are called: after the type that they read or write.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{class, snake};
use super::rep::Rep;

/// A longer name says nothing more.
const LABEL_MAX: usize = 40;

/// Names, each for one type.
#[derive(Default)]
pub(super) struct Labels {
    known: BTreeMap<Rep, String>,
    taken: BTreeSet<String>,
}

impl Labels {
    /// The name of a type in those of functions.
    pub(super) fn of(&mut self, rep: &Rep) -> String {
        if let Some(label) = self.known.get(rep) {
            return label.clone();
        }
        let mut wanted = label(rep);
        if wanted.len() > LABEL_MAX {
            let end = (0..=LABEL_MAX)
                .rev()
                .find(|end| wanted.is_char_boundary(*end));
            wanted.truncate(end.unwrap_or_default());
            wanted.truncate(wanted.trim_end_matches('_').len());
        }
        let mut label = wanted.clone();
        let mut number = 2;
        while !self.taken.insert(label.clone()) {
            label = format!("{wanted}_{number}");
            number += 1;
        }
        self.known.insert(rep.clone(), label.clone());
        label
    }
}

fn label(rep: &Rep) -> String {
    let all = |reps: &[Rep]| reps.iter().map(label).collect::<Vec<_>>().join("_");
    match rep {
        Rep::Prim(prim) => prim.name().to_owned(),
        Rep::String => "string".to_owned(),
        Rep::Duration => "duration".to_owned(),
        Rep::Unit => "unit".to_owned(),
        Rep::Bytes => "bytes".to_owned(),
        Rep::Fixed(len) => format!("bytes_{len}"),
        Rep::List(item) => format!("list_{}", label(item)),
        Rep::Set(item) => format!("set_{}", label(item)),
        Rep::Dict(key, value) => format!("dict_{}_{}", label(key), label(value)),
        Rep::Pairs(key, value) => format!("pairs_{}_{}", label(key), label(value)),
        Rep::Array(item, len) => format!("array_{len}_{}", label(item)),
        Rep::Option(inner) => format!("option_{}", label(inner)),
        Rep::Some(inner) => format!("some_{}", label(inner)),
        Rep::Boxed(inner) => format!("box_{}", label(inner)),
        Rep::Result(ok, err) => format!("result_{}_{}", label(ok), label(err)),
        Rep::Tuple(reps) => format!("tuple_{}", all(reps)),
        Rep::Named(name, args) if args.is_empty() => snake(&class(name)),
        Rep::Named(name, args) => format!("{}_{}", snake(&class(name)), all(args)),
        Rep::Param(index) => format!("t{index}"),
    }
}
