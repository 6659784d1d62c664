//! Makes an authority and the certificates that it issues; the time is passed in.

use std::time::Duration;

use cell_runtime::remote::{AUTHORITY_FILE, identity_file};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::error::{Error, Result};

/// Certificates are good a little before they are made: clocks of other machines are late.
const LATE_CLOCKS: Duration = Duration::from_secs(3600);

/// The longest name that a certificate can bear: a label of DNS.
const NAME_BYTES_MAX: usize = 63;

/// How a private key begins (RFC 5958, as PEM).
const KEY_BEGINS: &str = "-----BEGIN PRIVATE KEY-----";

/// A certificate that was made.
pub struct Minted {
    /// The certificate alone, for everybody.
    pub certificate: String,
    /// Certificate and private key, for its owner alone.
    pub identity: String,
}

/// Makes an authority; `now` counts from 1970.
pub fn authority(now: Duration, days: u16) -> Result<Minted> {
    let key = KeyPair::generate().map_err(bug)?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Its own name: after a rotation each certificate tells which of the two it comes from.
    let name = blake3::hash(&rcgen::PublicKeyData::subject_public_key_info(&key)).to_hex();
    params.distinguished_name = common_name(&format!("cell mesh {}", &name[..16]));
    valid(&mut params, now, days);
    let private = key.serialize_pem();
    let issuer = CertifiedIssuer::self_signed(params, key).map_err(bug)?;
    Ok(minted(issuer.pem(), &private))
}

/// Issues a certificate for the cell or client `name`: it serves under this name, and calls.
pub fn issue(authority: &str, name: &str, now: Duration, days: u16) -> Result<Minted> {
    check_name(name)?;
    let unusable = |cause: rcgen::Error| {
        Error::environment("the authority's key cannot be used")
            .because(cause)
            .hint("restore its file, or make a new one with `cargo cell keys rotate`")
    };
    // The key is read from the first block of a text: the certificate before it is left out.
    let private = authority.find(KEY_BEGINS).unwrap_or_default();
    let issuer_key = KeyPair::from_pem(&authority[private..]).map_err(unusable)?;
    let issuer = Issuer::from_ca_cert_pem(authority, issuer_key).map_err(unusable)?;
    let key = KeyPair::generate().map_err(bug)?;
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(bug)?;
    params.distinguished_name = common_name(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    valid(&mut params, now, days);
    let certificate = params.signed_by(&key, &issuer).map_err(unusable)?;
    Ok(minted(certificate.pem(), &key.serialize_pem()))
}

/// A name of a cell that a certificate can bear.
pub fn check_name(name: &str) -> Result<()> {
    let wrong = |why: &str| {
        Err(Error::usage(format!("`{name}` cannot be the name in a certificate")).because(why))
    };
    if let Err(cause) = cell_runtime::discovery::check_name(name) {
        return wrong(&cause.to_string());
    }
    if identity_file(name) == AUTHORITY_FILE {
        return wrong("its file is the authority's");
    }
    if name.len() > NAME_BYTES_MAX || name.ends_with('-') {
        return wrong("it has at most 63 characters, and does not end with `-`");
    }
    Ok(())
}

fn common_name(name: &str) -> rcgen::DistinguishedName {
    let mut names = rcgen::DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn valid(params: &mut CertificateParams, now: Duration, days: u16) {
    let now = date_time_ymd(1970, 1, 1) + now;
    params.not_before = now - LATE_CLOCKS;
    params.not_after = now + Duration::from_secs(u64::from(days) * 24 * 3600);
}

fn minted(certificate: String, key: &str) -> Minted {
    let identity = certificate.clone() + key;
    Minted {
        certificate,
        identity,
    }
}

fn bug(cause: rcgen::Error) -> Error {
    Error::bug("no certificate can be made").because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_a_certificate() {
        for good in ["a", "button_service", "x-1", &"x".repeat(63)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "authority", "a.b", "../a", "a-", &"x".repeat(64)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
