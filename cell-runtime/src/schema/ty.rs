//! Type expressions: `Vec<Option<Order<$0>>>`, read and written without spaces.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::limits::{FIELDS_MAX, IDENTIFIER_BYTES_MAX, PATH_BYTES_MAX, TY_BYTES_MAX, TY_DEPTH_MAX};
use super::{Error, Prim};

/// A type expression. Definitions are named by their short name in a snapshot and by their full path in records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ty {
    /// A number, `bool` or `char`.
    Prim(Prim),
    /// `String`.
    String,
    /// `Duration`.
    Duration,
    /// `Vec<T>`.
    Vec(Box<Ty>),
    /// `[T;N]`.
    Array(Box<Ty>, u64),
    /// `Option<T>`.
    Option(Box<Ty>),
    /// `Box<T>`.
    Box(Box<Ty>),
    /// `Set<T>`: a vector on the wire.
    Set(Box<Ty>),
    /// `Map<K,V>`: a vector of entries on the wire.
    Map(Box<Ty>, Box<Ty>),
    /// `Result<T,E>`.
    Result(Box<Ty>, Box<Ty>),
    /// `()`, `(A,)`, `(A,B)`.
    Tuple(Vec<Ty>),
    /// `$0`: a parameter of the definition that the expression stands in.
    Param(usize),
    /// A definition with its arguments.
    Named(String, Vec<Ty>),
}

impl Ty {
    /// The type `()`.
    #[must_use]
    pub fn unit() -> Self {
        Ty::Tuple(Vec::new())
    }

    /// The expressions directly inside this one.
    pub fn children(&self) -> impl Iterator<Item = &Ty> {
        let (boxed, many): ([Option<&Ty>; 2], &[Ty]) = match self {
            Ty::Prim(_) | Ty::String | Ty::Duration | Ty::Param(_) => ([None, None], &[]),
            Ty::Vec(a) | Ty::Array(a, _) | Ty::Option(a) | Ty::Box(a) | Ty::Set(a) => {
                ([Some(a), None], &[])
            }
            Ty::Map(a, b) | Ty::Result(a, b) => ([Some(a), Some(b)], &[]),
            Ty::Tuple(many) | Ty::Named(_, many) => ([None, None], many),
        };
        boxed.into_iter().flatten().chain(many)
    }

    /// Calls `visit` with the name of each definition in the expression and the number of its arguments.
    pub fn each_name<'a>(&'a self, visit: &mut dyn FnMut(&'a str, usize)) {
        if let Ty::Named(name, args) = self {
            visit(name, args.len());
        }
        for child in self.children() {
            child.each_name(visit);
        }
    }

    /// The same expression with each leaf replaced where `leaf` gives something else for it, and names by `name`.
    pub(crate) fn map(
        &self,
        leaf: &dyn Fn(usize) -> Ty,
        name: &dyn Fn(&str) -> Result<String, Error>,
    ) -> Result<Ty, Error> {
        let boxed = |ty: &Ty| ty.map(leaf, name).map(Box::new);
        let many = |tys: &[Ty]| -> Result<Vec<Ty>, Error> {
            tys.iter().map(|ty| ty.map(leaf, name)).collect()
        };
        Ok(match self {
            Ty::Prim(_) | Ty::String | Ty::Duration => self.clone(),
            Ty::Param(index) => leaf(*index),
            Ty::Vec(a) => Ty::Vec(boxed(a)?),
            Ty::Array(a, n) => Ty::Array(boxed(a)?, *n),
            Ty::Option(a) => Ty::Option(boxed(a)?),
            Ty::Box(a) => Ty::Box(boxed(a)?),
            Ty::Set(a) => Ty::Set(boxed(a)?),
            Ty::Map(a, b) => Ty::Map(boxed(a)?, boxed(b)?),
            Ty::Result(a, b) => Ty::Result(boxed(a)?, boxed(b)?),
            Ty::Tuple(tys) => Ty::Tuple(many(tys)?),
            Ty::Named(old, args) => Ty::Named(name(old)?, many(args)?),
        })
    }

    /// The same expression with the parameters filled in. Its measures are known beforehand: a generic type that refers to
    /// itself with larger arguments must fill neither the memory nor the stack.
    pub(crate) fn fill(&self, args: &[Ty]) -> Result<Ty, Error> {
        const PARTS_MAX: usize = 4096;
        let measures: Vec<Measure> = args.iter().map(|arg| arg.measure(&[])).collect();
        let measure = self.measure(&measures);
        let too = if measure.parts > PARTS_MAX {
            format!("a type expression has more than {PARTS_MAX} parts")
        } else if measure.depth > TY_DEPTH_MAX {
            format!("a type expression nests deeper than {TY_DEPTH_MAX}")
        } else {
            let fill = |index: usize| args.get(index).cloned().unwrap_or(Ty::Param(index));
            return self.map(&fill, &|name| Ok(name.to_owned()));
        };
        Err(Error::new(too).hint("does a generic type refer to itself with ever larger arguments?"))
    }

    /// What this one is made of where the parameters have these measures.
    fn measure(&self, params: &[Measure]) -> Measure {
        if let Ty::Param(index) = self {
            return params.get(*index).copied().unwrap_or(Measure::ONE);
        }
        let children = self.children().map(|child| child.measure(params));
        children.fold(Measure::ONE, |sum, child| Measure {
            parts: sum.parts.saturating_add(child.parts),
            depth: sum.depth.max(child.depth.saturating_add(1)),
        })
    }
}

/// How large an expression is.
#[derive(Debug, Clone, Copy)]
struct Measure {
    /// The expressions that it is made of, with itself.
    parts: usize,
    /// How deep they nest.
    depth: usize,
}

impl Measure {
    const ONE: Measure = Measure { parts: 1, depth: 1 };
}

/// The words that mean something in an expression, and so cannot name a definition.
#[must_use]
pub fn is_builtin(name: &str) -> bool {
    const WORDS: [&str; 8] = [
        "String", "Duration", "Vec", "Option", "Box", "Set", "Map", "Result",
    ];
    WORDS.contains(&name) || Prim::from_name(name).is_some()
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ty::Prim(prim) => f.write_str(prim.name()),
            Ty::String => f.write_str("String"),
            Ty::Duration => f.write_str("Duration"),
            Ty::Vec(a) => write!(f, "Vec<{a}>"),
            Ty::Array(a, n) => write!(f, "[{a};{n}]"),
            Ty::Option(a) => write!(f, "Option<{a}>"),
            Ty::Box(a) => write!(f, "Box<{a}>"),
            Ty::Set(a) => write!(f, "Set<{a}>"),
            Ty::Map(a, b) => write!(f, "Map<{a},{b}>"),
            Ty::Result(a, b) => write!(f, "Result<{a},{b}>"),
            Ty::Tuple(tys) => {
                f.write_str("(")?;
                list(f, tys)?;
                f.write_str(if tys.len() == 1 { ",)" } else { ")" })
            }
            Ty::Param(index) => write!(f, "${index}"),
            Ty::Named(name, args) if args.is_empty() => f.write_str(name),
            Ty::Named(name, args) => {
                write!(f, "{name}<")?;
                list(f, args)?;
                f.write_str(">")
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, tys: &[Ty]) -> fmt::Result {
    for (index, ty) in tys.iter().enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        write!(f, "{ty}")?;
    }
    Ok(())
}

impl FromStr for Ty {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > TY_BYTES_MAX {
            return Err(Error::new(format!(
                "a type expression has {} bytes, more than {TY_BYTES_MAX}",
                text.len()
            )));
        }
        let mut parser = Parser { text, at: 0 };
        let ty = parser.ty(0)?;
        if parser.at < text.len() {
            return Err(parser.error("nothing more"));
        }
        Ok(ty)
    }
}

impl Serialize for Ty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, expected: &str) -> Error {
        Error::new(format!(
            "cannot read the type expression `{}`: expected {expected} at byte {}",
            self.text.escape_debug(),
            self.at
        ))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), Error> {
        if self.eat(token) {
            return Ok(());
        }
        Err(self.error(&format!("`{token}`")))
    }

    fn ty(&mut self, depth: usize) -> Result<Ty, Error> {
        if depth >= TY_DEPTH_MAX {
            return Err(Error::new(format!(
                "a type expression nests deeper than {TY_DEPTH_MAX}"
            )));
        }
        if self.eat("(") {
            return self.tuple(depth);
        }
        if self.eat("[") {
            let element = self.ty(depth + 1)?;
            self.expect(";")?;
            let len = self.number()?;
            self.expect("]")?;
            return Ok(Ty::Array(Box::new(element), len));
        }
        if self.eat("$") {
            let index = self.number()?;
            return Ok(Ty::Param(
                usize::try_from(index).map_err(|_| self.error("a parameter's number"))?,
            ));
        }
        self.named(depth)
    }

    fn tuple(&mut self, depth: usize) -> Result<Ty, Error> {
        let mut tys = Vec::new();
        while !self.eat(")") {
            if tys.len() == FIELDS_MAX {
                return Err(self.error(&format!("at most {FIELDS_MAX} elements")));
            }
            tys.push(self.ty(depth + 1)?);
            // `(A,)` has a comma behind its only element, `(A,B)` has none behind its last: one spelling for a type.
            if !self.eat(",") {
                self.expect(")")?;
                if tys.len() == 1 {
                    return Err(self.error("`,` in a tuple of one"));
                }
                break;
            }
            if tys.len() > 1 && self.rest().starts_with(')') {
                return Err(self.error("a type"));
            }
        }
        Ok(Ty::Tuple(tys))
    }

    fn named(&mut self, depth: usize) -> Result<Ty, Error> {
        let name = self.path()?;
        let mut args = Vec::new();
        if self.eat("<") {
            loop {
                if args.len() == super::limits::PARAMS_MAX {
                    return Err(self.error("`>`"));
                }
                args.push(self.ty(depth + 1)?);
                if !self.eat(",") {
                    break;
                }
            }
            self.expect(">")?;
        }
        let wrong = |this: &Self, wanted: &str| this.error(&format!("{wanted} behind `{name}`"));
        if let Some(prim) = Prim::from_name(name) {
            return match args.is_empty() {
                true => Ok(Ty::Prim(prim)),
                false => Err(wrong(self, "no arguments")),
            };
        }
        let mut args = args.into_iter();
        let ty = match (name, args.len()) {
            ("String", 0) => Ty::String,
            ("Duration", 0) => Ty::Duration,
            (name, _) if !is_builtin(name) => Ty::Named(name.to_owned(), args.by_ref().collect()),
            ("Vec" | "Option" | "Box" | "Set", 1) => match args.next().map(Box::new) {
                Some(a) if name == "Vec" => Ty::Vec(a),
                Some(a) if name == "Option" => Ty::Option(a),
                Some(a) if name == "Box" => Ty::Box(a),
                Some(a) => Ty::Set(a),
                None => return Err(wrong(self, "one argument")),
            },
            ("Map" | "Result", 2) => match (args.next().map(Box::new), args.next().map(Box::new)) {
                (Some(a), Some(b)) if name == "Map" => Ty::Map(a, b),
                (Some(a), Some(b)) => Ty::Result(a, b),
                _ => return Err(wrong(self, "two arguments")),
            },
            _ => return Err(wrong(self, "another number of arguments")),
        };
        Ok(ty)
    }

    /// `Name` or `a::b::Name`.
    fn path(&mut self) -> Result<&'a str, Error> {
        let start = self.at;
        loop {
            let len = identifier_len(self.rest());
            if len == 0 || len > IDENTIFIER_BYTES_MAX {
                return Err(self.error("a type"));
            }
            self.at += len;
            if !self.eat("::") {
                break;
            }
        }
        if self.at - start > PATH_BYTES_MAX {
            return Err(self.error("a shorter path"));
        }
        Ok(&self.text[start..self.at])
    }

    fn number(&mut self) -> Result<u64, Error> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let text = &self.rest()[..digits];
        if digits > 1 && text.starts_with('0') {
            return Err(self.error("a number without leading zeros"));
        }
        let number = text.parse().map_err(|_| self.error("a number"))?;
        self.at += digits;
        Ok(number)
    }
}

/// The length of the ASCII identifier that `text` starts with, or 0.
fn identifier_len(text: &str) -> usize {
    let len = text
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
        .count();
    match text.bytes().next() {
        Some(first) if !first.is_ascii_digit() => len,
        _ => 0,
    }
}

/// Whether `text` is an identifier that every language can carry: ASCII letters, digits and `_`, not too long, and none
/// of the few words that Rust cannot escape.
#[must_use]
pub fn is_identifier(text: &str) -> bool {
    !matches!(text, "" | "self" | "Self" | "super" | "crate")
        && text.len() <= IDENTIFIER_BYTES_MAX
        && identifier_len(text) == text.len()
        && text.bytes().any(|b| b != b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_the_same() {
        for text in [
            "u8",
            "()",
            "(u8,)",
            "(u8,String)",
            "[f64;4]",
            "Vec<Option<Box<a::b::Node<$0,$1>>>>",
            "Map<String,Set<i128>>",
            "Result<(),Duration>",
            "Order",
            "[[char;2];0]",
        ] {
            assert_eq!(
                text.parse::<Ty>().map(|ty| ty.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn one_type_has_one_spelling() {
        for text in [
            "",
            " u8",
            "(u8)",
            "(u8,String,)",
            "(,)",
            "[u8]",
            "[u8;01]",
            "Vec",
            "Vec<u8,u8>",
            "u8<u8>",
            "String<u8>",
            "Map<u8>",
            "A<>",
            "A<u8",
            "a::",
            "::a",
            "$",
            "$x",
            "1a",
            "A B",
            "é",
            "[u8;99999999999999999999]",
        ] {
            assert!(text.parse::<Ty>().is_err(), "{text}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let deep = format!("{}u8{}", "Vec<".repeat(100), ">".repeat(100));
        assert!(deep.parse::<Ty>().is_err());
        assert!("a".repeat(TY_BYTES_MAX + 1).parse::<Ty>().is_err());
        assert!("a".repeat(IDENTIFIER_BYTES_MAX + 1).parse::<Ty>().is_err());
    }
}
