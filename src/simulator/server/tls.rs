//! The certificate of the simulator, made at each start.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What the server shows, and what a client has to trust.
pub(super) struct Identity {
    pub(super) server_config: Arc<ServerConfig>,
    pub(super) ca_pem: String,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum IdentityError {
    #[error("the simulator could not make its certificate")]
    Certificate(#[from] rcgen::Error),
    #[error("the simulator could not set up TLS")]
    Tls(#[from] rustls::Error),
}

impl Identity {
    /// An authority, and a certificate of its for `localhost`, 127.0.0.1 and `::1`.
    pub(super) fn make() -> Result<Self, IdentityError> {
        let mut authority = params("ClickBank simulator authority", Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        let mut leaf = params("ClickBank simulator", names)?;
        leaf.use_authority_key_identifier_extension = true;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf_key = KeyPair::generate()?;
        let leaf = leaf.signed_by(&leaf_key, &authority)?;

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let private_key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let mut server_config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], private_key)?;
        server_config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { server_config: Arc::new(server_config), ca_pem: authority.pem() })
    }
}

/// A certificate for `names`, good from last December to the end of next year: platform verifiers refuse certificates
/// that last much longer.
fn params(common_name: &str, names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let year = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).year();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(i32::from(year) - 1, 12, 1);
    params.not_after = date_time_ymd(i32::from(year) + 1, 12, 31);
    Ok(params)
}
