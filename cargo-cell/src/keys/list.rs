//! What certificates say: whose they are, until when they hold, and whether they are trusted.

use std::time::Duration;

use serde_json::{Value, json};
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::Pem;

/// A certificate that ends within this time is worth a renewal.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// A certificate in a folder of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub name: String,
    /// Its last day.
    pub until: String,
    /// Whether it can be used.
    pub state: State,
}

/// What a certificate is good for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is accepted.
    Valid,
    /// It is accepted, for at most two weeks more.
    EndsSoon,
    /// It is not accepted any more.
    Expired,
    /// Its authority is not among those that are trusted.
    Untrusted,
    /// It is no certificate.
    Unreadable,
}

impl State {
    /// The state in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Valid => "valid",
            State::EndsSoon => "ends soon",
            State::Expired => "expired",
            State::Untrusted => "not trusted",
            State::Unreadable => "unreadable",
        }
    }
}

impl Entry {
    /// The entry for machines.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({"name": self.name, "until": self.until, "state": self.state.name()})
    }
}

/// The subjects of a bundle's certificates, as bytes.
#[must_use]
pub fn subjects(bundle: &str) -> Vec<Vec<u8>> {
    read(bundle, |certificate| {
        certificate.subject().as_raw().to_vec()
    })
}

/// The certificates of a bundle of authorities; the first one issues.
#[must_use]
pub fn authorities(bundle: &str, now: Duration) -> Vec<Entry> {
    let known = subjects(bundle);
    read(bundle, |certificate| entry(certificate, &known, now))
}

/// The certificate of `name`, whose file holds `text`.
#[must_use]
pub fn of(name: &str, text: &str, trusted: &[Vec<u8>], now: Duration) -> Entry {
    let found = read(text, |certificate| entry(certificate, trusted, now));
    let read = found.into_iter().next().unwrap_or(Entry {
        name: String::new(),
        until: "-".to_owned(),
        state: State::Unreadable,
    });
    Entry {
        name: name.to_owned(),
        ..read
    }
}

/// Whether a file holds a certificate of `name`.
#[must_use]
pub fn bears(text: &str, name: &str) -> bool {
    read(text, common_name)
        .first()
        .is_some_and(|first| first == name)
}

fn common_name(certificate: &X509Certificate<'_>) -> String {
    let name = certificate.subject().iter_common_name().next();
    name.and_then(|name| name.as_str().ok())
        .unwrap_or("?")
        .to_owned()
}

fn entry(certificate: &X509Certificate<'_>, trusted: &[Vec<u8>], now: Duration) -> Entry {
    let end = certificate.validity().not_after;
    let left = end.timestamp().saturating_sub_unsigned(now.as_secs());
    let state = if left <= 0 {
        State::Expired
    } else if !trusted
        .iter()
        .any(|known| known == certificate.issuer().as_raw())
    {
        State::Untrusted
    } else if left.unsigned_abs() <= SOON.as_secs() {
        State::EndsSoon
    } else {
        State::Valid
    };
    let day = end.to_datetime();
    Entry {
        name: common_name(certificate),
        until: format!(
            "{}-{:02}-{:02}",
            day.year(),
            u8::from(day.month()),
            day.day()
        ),
        state,
    }
}

/// What `f` gives for each certificate; other parts of the text, such as private keys, are passed over.
fn read<T>(text: &str, f: impl Fn(&X509Certificate<'_>) -> T) -> Vec<T> {
    Pem::iter_from_buffer(text.as_bytes())
        .filter_map(Result::ok)
        .filter(|part| part.label == "CERTIFICATE")
        .filter_map(|part| part.parse_x509().ok().map(|certificate| f(&certificate)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::mint;
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_certificate_ages_and_loses_its_trust() {
        let now = DAY * 20_000;
        let (one, other) = (
            mint::authority(now, 100).unwrap(),
            mint::authority(now, 100).unwrap(),
        );
        let cell = mint::issue(&one.identity, "cell_a", now, 90).unwrap();
        for (bundle, days, state) in [
            (&one, 0, State::Valid),
            (&one, 75, State::Valid),
            (&one, 77, State::EndsSoon),
            (&one, 91, State::Expired),
            (&other, 0, State::Untrusted),
        ] {
            let entry = of(
                "cell_a",
                &cell.identity,
                &subjects(&bundle.certificate),
                now + DAY * days,
            );
            assert_eq!(entry.state, state, "after {days} days");
        }
        let entry = of("cell_a", &cell.identity, &subjects(&one.certificate), now);
        assert_eq!(entry.until, "2025-01-02");
        // During a rotation both are trusted; the first one issues.
        let both = other.certificate + &one.certificate;
        let listed = authorities(&both, now);
        assert_eq!(listed.len(), 2);
        assert!(
            listed
                .iter()
                .all(|entry| entry.state == State::Valid && entry.name.starts_with("cell mesh "))
        );
        assert_eq!(
            of("cell_a", &cell.identity, &subjects(&both), now).state,
            State::Valid
        );
        assert_eq!(of("x", "no certificate", &[], now).state, State::Unreadable);
    }
}
