//! What is wrong with a shader, as rustc would show it.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use cell_runtime::shader::import::{ImportError, Joined};

/// Why a shader is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// In one line.
    pub message: String,
    /// `file:line:column`, where there is a place.
    pub at: Option<String>,
    /// With the lines that it is about, in colours.
    pub rendered: String,
}

/// A remark on a part of the text.
pub(super) struct Label {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

impl Report {
    /// One that is about no line.
    pub fn plain(message: impl Into<String>) -> Report {
        let message = message.into();
        let group = Group::with_title(Level::ERROR.primary_title(&message));
        let rendered = Renderer::styled().render(&[group]);
        Report {
            at: None,
            rendered,
            message,
        }
    }

    /// An import that cannot be had.
    pub(super) fn import(error: &ImportError) -> Report {
        let Some((file, range)) = &error.at else {
            return Report::plain(&*error.message);
        };
        let annotation = AnnotationKind::Primary.span(range.clone());
        let snippet = snippet(&file.path, &file.text, [annotation]);
        let group = Level::ERROR.primary_title(&*error.message).element(snippet);
        Report {
            message: error.message.clone(),
            at: Some(place(&file.path, &file.text, range.start)),
            rendered: Renderer::styled().render(&[group]),
        }
    }

    /// What the parser or the validator says; the first label is what it is about.
    pub(super) fn of(joined: &Joined, message: &str, labels: &[Label], notes: &[String]) -> Report {
        let mut at = None;
        let mut by_file: Vec<(usize, Vec<Annotation<'_>>)> = Vec::new();
        for label in labels {
            let Some((number, range)) = joined.locate(label.range.clone()) else {
                continue;
            };
            let file = &joined.files[number];
            let range = whole(&file.text, range);
            let kind = match at {
                None => AnnotationKind::Primary,
                Some(_) => AnnotationKind::Context,
            };
            at.get_or_insert_with(|| place(&file.path, &file.text, range.start));
            let mut annotation = kind.span(range);
            if !label.text.is_empty() {
                annotation = annotation.label(&*label.text);
            }
            match by_file.iter_mut().find(|(known, _)| *known == number) {
                Some((_, annotations)) => annotations.push(annotation),
                None => by_file.push((number, vec![annotation])),
            }
        }
        let mut group = Group::with_title(Level::ERROR.primary_title(message));
        for (number, annotations) in by_file {
            let file = &joined.files[number];
            group = group.element(snippet(&file.path, &file.text, annotations));
        }
        if at.is_none()
            && let Some(file) = joined.files.first()
        {
            group = group.element(Origin::path(&*file.path));
        }
        for note in notes {
            group = group.element(Level::NOTE.message(&**note));
        }
        Report {
            message: message.to_owned(),
            at,
            rendered: Renderer::styled().render(&[group]),
        }
    }
}

fn snippet<'a>(
    path: &'a str,
    text: &'a str,
    annotations: impl IntoIterator<Item = Annotation<'a>>,
) -> Snippet<'a, Annotation<'a>> {
    Snippet::source(text).path(path).annotations(annotations)
}

/// A range of whole characters.
fn whole(text: &str, range: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(range.start);
    start..text.ceil_char_boundary(range.end).max(start)
}

fn place(path: &str, text: &str, at: usize) -> String {
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    format!("{path}:{line}:{}", before[start..].chars().count() + 1)
}
