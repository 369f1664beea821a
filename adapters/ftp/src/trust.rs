//! Which certificate a server may show.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use dropbridge_port::{ErrorKind, PortError, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::settings::FtpSettings;

/// Looks at the server's certificate when it is shown, and keeps what was said of it.
#[derive(Debug)]
pub(crate) struct Gatekeeper {
    share: String,
    address: String,
    fingerprints: Vec<Fingerprint>,
    /// None where fingerprints decide.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    refused: Mutex<Option<PortError>>,
}

/// SHA-256 of a certificate.
type Fingerprint = [u8; 32];

impl Gatekeeper {
    /// As the settings say.
    ///
    /// # Errors
    /// `Configuration` for a file or a fingerprint that cannot be used, `Refused` where nothing says whom to trust.
    pub(crate) fn of(settings: &FtpSettings, provider: &Arc<CryptoProvider>) -> Result<Self> {
        let stated = &settings.trust.certificate_fingerprints;
        let fingerprints = stated.iter().map(|text| fingerprint(text)).collect::<Result<Vec<_>>>()?;
        let authorities = match (&settings.trust.ca_file, fingerprints.is_empty()) {
            (_, false) => None,
            (Some(file), true) => Some(verifier(from_file(file)?, provider)?),
            (None, true) => Some(verifier(of_this_machine(settings)?, provider)?),
        };
        Ok(Self {
            share: settings.share.clone(),
            address: settings.address(),
            fingerprints,
            authorities,
            provider: Arc::clone(provider),
            refused: Mutex::default(),
        })
    }

    /// Why the certificate that was shown last was refused.
    pub(crate) fn take_refusal(&self) -> Option<PortError> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn refuse(&self, shown: &Fingerprint, why: &str, advice: &str) -> Error {
        let shown = spelled(shown);
        let message = format!("the server shows the certificate {shown} (SHA-256), which {why}");
        let error = PortError::new(ErrorKind::Refused, "connect", &self.address, message).with_hint(format!(
            "{advice}; to accept this very certificate, after comparing it with what the server's owner says: \
             certificate_fingerprint = \"{shown}\" in [share.{}]",
            self.share
        ));
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
    }
}

impl ServerCertVerifier for Gatekeeper {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        let shown: Fingerprint = Sha256::digest(end_entity).into();
        let Some(authorities) = &self.authorities else {
            if self.fingerprints.contains(&shown) {
                return Ok(ServerCertVerified::assertion());
            }
            let expected: Vec<String> = self.fingerprints.iter().map(spelled).collect();
            let why = format!("is another one than is expected ({})", expected.join(", "));
            return Err(self.refuse(&shown, &why, "it may have been renewed, or another server be in its place: ask"));
        };
        match authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(why)) => {
                let (why, advice) = explained(&why);
                Err(self.refuse(&shown, &why, advice))
            }
            answer => answer,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong with a certificate, and what to do.
fn explained(error: &CertificateError) -> (String, &'static str) {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("has expired".to_owned(), "ask the server's owner to renew it")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("is not valid yet".to_owned(), "is the clock of this machine right?")
        }
        CertificateError::NotValidForName => {
            ("is for another name".to_owned(), "state the host by the name that stands in it")
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let why = format!("is not for `{}` but for {}", expected.to_str(), presented.join(", "));
            (why, "state the host by the name that stands in it")
        }
        CertificateError::UnknownIssuer => {
            ("no known authority has issued".to_owned(), "state the certificate of its authority as ca_file")
        }
        other => (format!("cannot be trusted ({other:?})"), "ask the server's owner for a better one"),
    }
}

fn verifier(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().map_err(|error| {
        PortError::new(ErrorKind::Configuration, "read certificates", "authorities", error)
            .with_hint("name a file with certificates in PEM as ca_file")
    })
}

fn from_file(path: &Path) -> Result<RootCertStore> {
    let wrong = |message: String| {
        PortError::new(ErrorKind::Configuration, "read certificates", path.display().to_string(), message)
            .with_hint("ca_file has to be a file with certificates in PEM that the user who runs dropbridge may read")
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    Ok(roots)
}

fn of_this_machine(settings: &FtpSettings) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (_added, _ignored) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let message = "this machine trusts no authority, and neither ca_file nor certificate_fingerprint is stated";
        return Err(PortError::new(ErrorKind::Refused, "connect", settings.address(), message).with_hint(
            "install Debian's package `ca-certificates` or its like, or state ca_file in the share: the certificate of the \
             authority that issued the server's",
        ));
    }
    Ok(roots)
}

/// Reads 64 hexadecimal digits, with or without colons.
fn fingerprint(text: &str) -> Result<Fingerprint> {
    let digits: Vec<u32> = text.chars().filter(|digit| *digit != ':').map_while(|digit| digit.to_digit(16)).collect();
    let bytes: Vec<u8> = digits.chunks_exact(2).filter_map(|two| u8::try_from(two[0] * 16 + two[1]).ok()).collect();
    let whole = text.chars().filter(|digit| *digit != ':').count() == 64;
    bytes.try_into().ok().filter(|_| whole).ok_or_else(|| {
        PortError::new(ErrorKind::Configuration, "read fingerprint", text, "it is no SHA-256 fingerprint")
            .with_hint("64 hexadecimal digits, with or without colons; `dropbridge check` tells the one that is shown")
    })
}

/// As OpenSSL spells it: pairs of digits with colons.
fn spelled(fingerprint: &Fingerprint) -> String {
    fingerprint.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn fingerprints_are_read_as_they_are_spelled() {
        let print: Fingerprint = Sha256::digest(b"x").into();
        let text = spelled(&print);
        assert_eq!(text.len(), 95);
        for spelling in [text.clone(), text.to_lowercase(), text.replace(':', "")] {
            assert_eq!(fingerprint(&spelling).unwrap(), print);
        }
        for wrong in ["", "AB", &text[3..], &text.replace('A', "G"), &format!("{text}:00")] {
            if *wrong != text {
                assert_eq!(fingerprint(wrong).unwrap_err().kind, ErrorKind::Configuration, "{wrong}");
            }
        }
    }
}
