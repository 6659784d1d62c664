//! The items of vectors, sets and maps: what they point to, then they themselves.

use cell_runtime::schema::{Error, Prim, Ty};

use super::super::schema::Answer;
use super::super::text::Text;
use super::{At, Codecs, Job, Part, Value};

impl Codecs<'_> {
    pub(super) fn add_set(&mut self, text: &mut Text, item: &Ty) -> Result<(), Error> {
        if self.schema.is_key(item) != Answer::Yes {
            return self.add_items(text, item, "value", "value.length");
        }
        match order(item) {
            Some(Order::Number) => text.line("const items = order.values(value);"),
            Some(Order::Text) => text.line("const items = order.texts(value);"),
            None => return self.add_items(text, item, "value", "value.size"),
        }
        self.add_items(text, item, "items", "items.length")
    }

    pub(super) fn add_items(
        &mut self,
        text: &mut Text,
        item: &Ty,
        items: &str,
        length: &str,
    ) -> Result<(), Error> {
        let value = Value {
            code: "item".to_owned(),
            place: "place".to_owned(),
        };
        let (mut adds, mut puts) = (text.nested(), text.nested());
        adds.indent();
        self.add(&mut adds, item, &value)?;
        puts.indent();
        self.put(&mut puts, item, At("at", 0), &value)?;
        let adds_read = self.reads_value(Job::Add, item)?;
        let puts_read = self.reads_value(Job::Put, item)?;
        let add_head = for_each(&[("item", adds_read)], items, length);
        let put_head = for_each(&[("item", puts_read)], items, length);
        self.vector(text, item, length, [(&add_head, &adds), (&put_head, &puts)])
    }

    pub(super) fn add_map(&mut self, text: &mut Text, key: &Ty, of: &Ty) -> Result<(), Error> {
        let (items, length) = match (self.schema.is_key(key), order(key)) {
            (Answer::Yes, Some(Order::Number)) => ("order.byKey(value)", "items.length"),
            (Answer::Yes, Some(Order::Text)) => ("order.byText(value)", "items.length"),
            (Answer::Yes, None) => ("value", "value.size"),
            _ => ("value", "value.length"),
        };
        let items = match items {
            "value" => "value",
            sorted => {
                text.line(&format!("const items = {sorted};"));
                "items"
            }
        };
        let named = |code: &str| Value {
            code: code.to_owned(),
            place: "place".to_owned(),
        };
        let entry = Ty::Tuple(vec![key.clone(), of.clone()]);
        let parts: Vec<(Part, Value)> = self
            .variants(&entry)?
            .into_iter()
            .flatten()
            .zip([named("key"), named("item")])
            .collect();
        let mut heads = Vec::new();
        let mut bodies = Vec::new();
        for job in [Job::Add, Job::Put] {
            let mut body = text.nested();
            body.indent();
            let mut used = Vec::new();
            for (part, value) in &parts {
                match job {
                    Job::Add => self.add(&mut body, &part.ty, value)?,
                    _ => self.put(&mut body, &part.ty, At("at", part.offset), value)?,
                }
                used.push((value.code.as_str(), self.reads_value(job, &part.ty)?));
            }
            heads.push(for_each(&used, items, length));
            bodies.push(body);
        }
        let ([add_head, put_head], [adds, puts]) = (heads.as_slice(), bodies.as_slice()) else {
            return Ok(());
        };
        self.vector(text, &entry, length, [(add_head, adds), (put_head, puts)])
    }

    /// The items of a vector: what they point to, then they themselves.
    fn vector(
        &mut self,
        text: &mut Text,
        item: &Ty,
        length: &str,
        loops: [(&String, &Text); 2],
    ) -> Result<(), Error> {
        let archived = self.layout(item)?;
        let [(add_head, adds), (put_head, puts)] = loops;
        text.line("const mark = writer.mark(place);");
        if !adds.is_empty() {
            text.line(add_head);
            text.append(adds);
            text.line("}");
        }
        let size = archived.size;
        text.line(&format!(
            "const start = writer.begin(mark, {length}, {size}, {});",
            archived.align
        ));
        if !puts.is_empty() {
            text.line("let at = start;");
            text.line(put_head);
            text.append(puts);
            text.indent();
            text.line(&format!("at += {size};"));
            text.close("}");
        }
        text.line(&format!("writer.endVec(mark, start, {length});"));
        Ok(())
    }
}

/// The head of a loop that names the items, or the parts of entries, that its body mentions.
pub(super) fn for_each(names: &[(&str, bool)], items: &str, length: &str) -> String {
    let pattern = match names {
        [(item, true)] => (*item).to_owned(),
        [(key, true), (value, true)] => format!("[{key}, {value}]"),
        [(key, true), _] => format!("[{key}]"),
        [_, (value, true)] => format!("[, {value}]"),
        _ => return format!("for (let index = 0; index < {length}; index += 1) {{"),
    };
    format!("for (const {pattern} of {items}) {{")
}

/// How the keys of a map or the values of a set are ordered in an archive.
enum Order {
    Number,
    Text,
}

/// Other keys stay in the order of their container.
fn order(key: &Ty) -> Option<Order> {
    match key {
        Ty::Prim(Prim::F32 | Prim::F64) => None,
        Ty::Prim(Prim::Char) | Ty::String => Some(Order::Text),
        Ty::Prim(_) => Some(Order::Number),
        _ => None,
    }
}
