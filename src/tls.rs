//! TLS on both sides: verification that nothing turns off towards ClickBank, and the gateway's own certificate.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ServerConfig};
use rustls_platform_verifier::Verifier;
use thiserror::Error;

/// Why certificates or keys cannot be used. Never holds key material.
#[derive(Debug, Error)]
pub enum TlsError {
    /// No certificate in a PEM text.
    #[error("holds no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate,
    /// No private key in a PEM text.
    #[error("holds no private key in PEM form (`-----BEGIN PRIVATE KEY-----`)")]
    NoKey,
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("certificate and key do not go together: {0}")]
    Pair(rustls::Error),
    /// Neither the system nor the configuration has a certificate authority to trust.
    #[error("no certificate authority can be trusted: {0}")]
    Roots(rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Reads all certificates of a PEM text.
///
/// # Errors
/// When there is none, or one is malformed.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.ok().filter(|certificates| !certificates.is_empty()).ok_or(TlsError::NoCertificate)
}

/// How to speak to the upstream: TLS 1.2 or 1.3, the chain verified against the system's authorities and `extra`, the
/// name verified always and for each connection: none is taken up again, nothing is sent before the handshake is done,
/// and the keys of connections are never written down.
///
/// # Errors
/// When there is no authority to trust at all.
pub fn client_config(extra: Vec<CertificateDer<'static>>) -> Result<ClientConfig, TlsError> {
    let verifier = Verifier::new_with_extra_roots(extra, provider()).map_err(TlsError::Roots)?;
    // "Dangerous" is rustls's word for any verifier it does not ship; this one checks chain, name, dates and purpose.
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Roots)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // A session that is taken up again shows no certificate, although it may have expired since.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// How to serve with a certificate chain and its key, both PEM. HTTP/1.1 is the only protocol offered.
///
/// # Errors
/// When either is missing or they do not belong together.
pub fn server_config(chain_pem: &[u8], key_pem: &[u8]) -> Result<ServerConfig, TlsError> {
    let chain = certificates(chain_pem)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| TlsError::NoKey)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_early_and_no_key_of_a_connection_is_written_down() {
        let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let client = client_config(vec![authority.cert.der().clone()]).unwrap();
        let (chain, key) = (authority.cert.pem(), authority.signing_key.serialize_pem());
        let server = server_config(chain.as_bytes(), key.as_bytes()).unwrap();
        assert!(!client.enable_early_data);
        assert!(!client.enable_secret_extraction && !server.enable_secret_extraction);
        assert_eq!((server.max_early_data_size, server.send_half_rtt_data), (0, false));
        for label in ["CLIENT_RANDOM", "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0"] {
            assert!(!client.key_log.will_log(label) && !server.key_log.will_log(label), "{label}");
        }
    }
}
