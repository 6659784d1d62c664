//! Why there is no connection, in words, and whether trying again can help.

use quinn::{ConnectionError, VarInt};

/// Why a connection cannot carry a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Another connection may do better.
    Again(String),
    /// The peer does not take this side's certificate.
    Refused(String),
    /// This side does not take the peer's, or has none of its own.
    Untrusted(String),
}

/// TLS alerts are QUIC errors from here on (RFC 9001, section 4.8).
const CRYPTO: u64 = 0x100;

/// Sent before any certificate was looked at (RFC 9000, section 20.1).
const CONNECTION_REFUSED: u64 = 2;

/// The alert of a certificate whose time is over.
const EXPIRED: u8 = 45;

/// What a failed or closed connection means for the calls on it.
pub(super) fn explain(error: &ConnectionError) -> Failure {
    match error {
        ConnectionError::TransportError(error) => match alert(error.code.into()) {
            Some(EXPIRED) => Failure::Untrusted(format!(
                "{}; its certificate is renewed with `cargo cell keys issue`",
                error.reason
            )),
            Some(_) => Failure::Untrusted(error.reason.clone()),
            None => Failure::Again(error.to_string()),
        },
        ConnectionError::ConnectionClosed(close) => match alert(close.error_code.into()) {
            Some(alert) => Failure::Refused(alert_words(alert).to_owned()),
            None if u64::from(close.error_code) == CONNECTION_REFUSED => {
                Failure::Again("it takes no more connections now".to_owned())
            }
            None => Failure::Again(close.to_string()),
        },
        ConnectionError::ApplicationClosed(_) => {
            Failure::Again("the server is draining".to_owned())
        }
        ConnectionError::TimedOut => Failure::Again("it does not answer".to_owned()),
        ConnectionError::Reset => Failure::Again("it was restarted".to_owned()),
        other => Failure::Again(other.to_string()),
    }
}

/// Whether calls that were sent may have been started, although nothing came back. Where a line went silent, their answers may
/// have been lost as well as they themselves: only what the peer says, or TLS before any call, is sure.
pub(super) fn may_have_started(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            close.error_code != VarInt::from_u32(super::DRAINING)
        }
        ConnectionError::ConnectionClosed(close) => {
            let code = u64::from(close.error_code);
            alert(code).is_none() && code != CONNECTION_REFUSED
        }
        ConnectionError::TransportError(error) => alert(error.code.into()).is_none(),
        ConnectionError::VersionMismatch | ConnectionError::CidsExhausted => false,
        ConnectionError::TimedOut | ConnectionError::Reset | ConnectionError::LocallyClosed => true,
    }
}

fn alert(code: u64) -> Option<u8> {
    code.checked_sub(CRYPTO)
        .and_then(|alert| u8::try_from(alert).ok())
}

/// What a TLS alert says about this side's certificate.
fn alert_words(alert: u8) -> &'static str {
    match alert {
        41 | 116 => "it wants a certificate; issue one with `cargo cell keys issue`",
        42 | 43 | 46 | 51 => {
            "it does not take this side's certificate; was it issued by the same authority?"
        }
        44 => "this side's certificate was revoked",
        EXPIRED => "this side's certificate has expired; renew it with `cargo cell keys issue`",
        48 => "this side's certificate comes from another authority",
        120 => "it does not speak this protocol (ALPN `cell/1`)",
        _ => "its TLS refused this side",
    }
}

/// Why a server turned a peer away, for its log.
pub(super) fn refused_words(error: &ConnectionError) -> String {
    match error {
        ConnectionError::TransportError(error) if alert(error.code.into()).is_some() => {
            error.reason.clone()
        }
        ConnectionError::ConnectionClosed(close) if alert(close.error_code.into()).is_some() => {
            format!("it refused this cell's certificate: {close}")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use quinn::{ConnectionClose, TransportErrorCode};

    use super::*;

    fn closed(code: TransportErrorCode) -> ConnectionError {
        ConnectionError::ConnectionClosed(ConnectionClose {
            error_code: code,
            frame_type: None,
            reason: Default::default(),
        })
    }

    fn left(code: u32) -> ConnectionError {
        ConnectionError::ApplicationClosed(quinn::ApplicationClose {
            error_code: VarInt::from_u32(code),
            reason: Default::default(),
        })
    }

    #[test]
    fn a_silent_line_may_have_carried_a_call() {
        for (error, may) in [
            (ConnectionError::TimedOut, true),
            (ConnectionError::Reset, true),
            (ConnectionError::LocallyClosed, true),
            (closed(TransportErrorCode::NO_ERROR), true),
            (closed(TransportErrorCode::FLOW_CONTROL_ERROR), true),
            (left(0), true),
            (left(super::super::DRAINING), false),
            (closed(TransportErrorCode::CONNECTION_REFUSED), false),
            (closed(TransportErrorCode::crypto(48)), false),
            (ConnectionError::VersionMismatch, false),
        ] {
            assert_eq!(may_have_started(&error), may, "{error}");
        }
    }

    #[test]
    fn only_tls_makes_trying_again_pointless() {
        for (alert, word) in [
            (45, "expired"),
            (48, "another authority"),
            (116, "wants a certificate"),
        ] {
            let Failure::Refused(words) = explain(&closed(TransportErrorCode::crypto(alert)))
            else {
                panic!("{alert}");
            };
            assert!(words.contains(word), "{words}");
        }
        for error in [
            closed(TransportErrorCode::CONNECTION_REFUSED),
            closed(TransportErrorCode::NO_ERROR),
            ConnectionError::TimedOut,
            ConnectionError::Reset,
            ConnectionError::LocallyClosed,
            left(super::super::DRAINING),
        ] {
            assert!(matches!(explain(&error), Failure::Again(_)), "{error}");
        }
    }
}
