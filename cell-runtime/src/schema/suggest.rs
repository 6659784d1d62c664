//! "did you mean": the nearest of the names there are.

/// A hint for a name that is not among `names`: the nearest one, or all of them.
pub(crate) fn among<'a>(
    wrong: &str,
    names: impl Iterator<Item = &'a str>,
    list: &str,
    none: &str,
) -> String {
    let names: Vec<&str> = names.collect();
    if let Some(near) = nearest(wrong, &names) {
        return format!("did you mean `{near}`?");
    }
    if names.is_empty() {
        return none.to_owned();
    }
    const SHOWN_MAX: usize = 12;
    let mut shown = names
        .iter()
        .take(SHOWN_MAX)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN_MAX {
        shown.push_str(", …");
    }
    format!("{list} {shown}")
}

/// The name that needs the fewest edits, if they are few for its length.
fn nearest<'a>(wrong: &str, names: &[&'a str]) -> Option<&'a str> {
    const LENGTH_MAX: usize = 64;
    if wrong.len() > LENGTH_MAX {
        return None;
    }
    names
        .iter()
        .filter(|name| name.len() <= LENGTH_MAX)
        .map(|name| (distance(wrong, name), *name))
        .filter(|(edits, name)| *edits <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| name)
}

/// Edits between two short strings, letter case free of charge.
fn distance(a: &str, b: &str) -> usize {
    let a = a.to_ascii_lowercase().into_bytes();
    let b = b.to_ascii_lowercase().into_bytes();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_or_all() {
        let names = || ["price", "quantity"].into_iter();
        assert_eq!(
            among("pirce", names(), "there are", "none"),
            "did you mean `price`?"
        );
        assert_eq!(
            among("Price", names(), "there are", "none"),
            "did you mean `price`?"
        );
        assert_eq!(
            among("zebra", names(), "there are", "none"),
            "there are `price`, `quantity`"
        );
        assert_eq!(among("x", std::iter::empty(), "there are", "none"), "none");
    }
}
