//! From a shader's files to a text that every device's driver may be given, or to what is wrong.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cell_runtime::shader::import::{Joined, join};
use naga::front::wgsl;
use naga::valid::{Capabilities, ValidationFlags, Validator};

use super::report::{Label, Report};

/// Brackets that are open at once. People write a dozen; the parser and the validator go one call deeper for each.
const DEPTH_MAX: usize = 256;

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
    if let Some(at) = too_deep(&joined.text) {
        let label = Label {
            range: at..at + 1,
            text: format!("the {DEPTH_MAX}th open bracket"),
        };
        return Err(Report::of(
            joined,
            "brackets are nested too deeply",
            &[label],
            &[],
        ));
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
        let labels: Vec<Label> = error
            .spans()
            .filter_map(|(span, text)| label(*span, text))
            .collect();
        let mut notes = Vec::new();
        let mut cause = error.as_inner().source();
        while let Some(because) = cause {
            notes.push(because.to_string());
            cause = because.source();
        }
        Report::of(joined, &error.as_inner().to_string(), &labels, &notes)
    })
}

fn label(span: naga::Span, text: &str) -> Option<Label> {
    let range = span.to_range()?;
    let text = text.to_owned();
    Some(Label { range, text })
}

/// Where more brackets are open than anybody needs. Comments count too: it is a fence, not a parser.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == DEPTH_MAX {
            return Some(at);
        }
    }
    None
}
