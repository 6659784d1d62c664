//! From a shader's files to a text that every device's driver may be given, or to what is wrong.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cell_runtime::shader::import::{Joined, join};
use naga::front::wgsl;
use naga::valid::{Capabilities, ValidationError, ValidationFlags, Validator};

use super::fence::{Words, beyond};
use super::report::{Label, Report};

/// What a look at a shader gave.
#[derive(Debug)]
pub struct Checked {
    /// The files that were asked for, those that could not be read included: a change to one of them is a reason to look again.
    pub files: Vec<String>,
    /// The whole text, or what is wrong with it.
    pub outcome: Result<String, Report>,
}

/// Looks at a shader: its imports, its syntax, its types, and what a device may be asked to do at all.
pub fn check(path: &str, mut read: impl FnMut(&str) -> Result<String, String>) -> Checked {
    let mut files = Vec::new();
    let joined = join(path, |path| {
        files.push(path.to_owned());
        read(path)
    });
    let outcome = match joined {
        Err(error) => Err(Report::import(&error)),
        // Bugs of a parser must not end the loop; whatever they are about is refused.
        Ok(joined) => match catch_unwind(AssertUnwindSafe(|| validate(&joined))) {
            Ok(Ok(())) => Ok(joined.text),
            Ok(Err(report)) => Err(report),
            Err(_) => Err(Report::plain(format!(
                "`{path}` cannot be checked: naga panicked on it, which is a bug of naga"
            ))),
        },
    };
    Checked { files, outcome }
}

fn validate(joined: &Joined) -> Result<(), Report> {
    if let Some((at, what)) = beyond(&joined.text) {
        let label = Label {
            range: at..at + 1,
            text: what,
        };
        let message = "this shader is too deep to be checked";
        return Err(Report::of(joined, message, &[label], &[]));
    }
    let module = wgsl::parse_str(&joined.text).map_err(|error| {
        let labels: Vec<Label> = error
            .labels()
            .filter_map(|(span, text)| label(span, text))
            .collect();
        let notes: Vec<String> = error.notes().map(str::to_owned).collect();
        Report::of(joined, error.message(), &labels, &notes)
    })?;
    // What the cell's own device can do is its own matter: it may refuse a text that this lets through.
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    validator.validate(&module).map(|_| ()).map_err(|error| {
        let mut labels: Vec<Label> = error
            .spans()
            .filter_map(|(span, text)| label(*span, text))
            .collect();
        // naga does not say where an entry point is that is wrong as a whole.
        if let (true, ValidationError::EntryPoint { name, .. }) =
            (labels.is_empty(), error.as_inner())
        {
            labels.extend(declared(&joined.text, name));
        }
        // What it is about is in a function, and the function is named too.
        labels.sort_by_key(|label| label.range.len());
        let mut notes = Vec::new();
        let mut cause = error.as_inner().source();
        while let Some(because) = cause {
            notes.push(because.to_string());
            cause = because.source();
        }
        Report::of(joined, &error.as_inner().to_string(), &labels, &notes)
    })
}

/// Where a function of this name is declared, as far as its words tell.
fn declared(text: &str, name: &str) -> Option<Label> {
    let mut words = Words::of(text);
    while let Some((_, word)) = words.next() {
        if word == "fn"
            && let Some((at, found)) = words.next()
            && found == name
        {
            return Some(Label {
                range: at..at + name.len(),
                text: String::new(),
            });
        }
    }
    None
}

fn label(span: naga::Span, text: &str) -> Option<Label> {
    let range = span.to_range()?;
    let text = text.to_owned();
    Some(Label { range, text })
}
