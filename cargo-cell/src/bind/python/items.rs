//! The functions for the items of streams.

use cell_runtime::schema::{Error, Route, Ty};

use super::codec::{At, Codec, Depth};
use super::rep::Style;

impl Codec<'_> {
    /// The functions that write and read a batch of items of a route's streams.
    pub(super) fn streamed(&mut self, route: &Route) -> Result<(), Error> {
        let name = &route.name;
        let list = |item: &Ty| Ty::Vec(Box::new(item.clone()));
        if let Some(item) = &route.yields {
            let rep = self.lowering.route(&list(item), &mut self.layouts)?;
            let ty = rep.python(&self.style())?;
            self.answer(&format!("items_{name}"), &rep, &ty, "", "")?;
        }
        let Some(item) = &route.takes else {
            return Ok(());
        };
        let style = Style {
            takes: Some("abc."),
            ..self.style()
        };
        let ty = self
            .lowering
            .route(item, &mut self.layouts)?
            .python(&style)?;
        let list = list(item);
        let rep = self.lowering.route(&list, &mut self.layouts)?;
        let archived = self.layouts.of(&list)?;
        let (size, align) = (archived.size, archived.align);
        let is_bytes = rep.python(&self.style())? == "bytes";
        let value = if is_bytes { "data" } else { "items" };
        let mut body = Vec::new();
        self.write(&mut body, &rep, "p", &At::new(""), value, &Depth::fixed(2))?;
        self.routes.item(|text| {
            text.list(
                &format!("def batch_{name}("),
                &[format!("items: abc.Sequence[{ty}]")],
                ") -> bytes:",
            );
            text.open_body();
            if is_bytes {
                text.line("data = bytes(items)");
            }
            text.line("w = c.Writer()");
            text.open(&format!("with w.root({size}, {align}) as p:"));
            body.iter().for_each(|line| text.statement(line));
            text.dedent();
            text.line("return w.finish()");
            text.dedent();
        });
        Ok(())
    }
}
