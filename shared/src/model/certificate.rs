//! How long a certificate is valid: the two times in it, and nothing else. Whether it is trusted is the API server's to say.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateValidity {
    /// `notBefore`
    pub not_before: Timestamp,
    /// `notAfter`
    pub not_after: Timestamp,
}

const TAG_SEQUENCE: u8 = 0x30;
/// `[0]`: the version, left out by the first one.
const TAG_VERSION: u8 = 0xa0;
const TAG_UTC_TIME: u8 = 0x17;
const TAG_GENERALIZED_TIME: u8 = 0x18;

/// The certificates of a `caBundle`: PEM in base64. `None` where there is none, or one that cannot be read.
#[must_use]
pub fn parse_ca_bundle(base64: &str) -> Option<Vec<CertificateValidity>> {
    let pem = String::from_utf8(STANDARD.decode(base64).ok()?).ok()?;
    let blocks = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
    let all: Option<Vec<CertificateValidity>> =
        blocks.map(|block| parse_pem_block(block.split_once("-----END")?.0)).collect();
    all.filter(|all| !all.is_empty())
}

fn parse_pem_block(base64: &str) -> Option<CertificateValidity> {
    let text: String = base64.split_whitespace().collect();
    parse_der(&STANDARD.decode(text).ok()?)
}

/// RFC 5280, 4.1: `Certificate { tbsCertificate { [version], serial, signature, issuer, validity { notBefore, notAfter } …`
fn parse_der(der: &[u8]) -> Option<CertificateValidity> {
    let (certificate, _) = read_element(der, TAG_SEQUENCE)?;
    let (mut fields, _) = read_element(certificate, TAG_SEQUENCE)?;
    if fields.first() == Some(&TAG_VERSION) {
        fields = read_element(fields, TAG_VERSION)?.1;
    }
    for _ in ["serial", "signature", "issuer"] {
        fields = read_element(fields, *fields.first()?)?.1;
    }
    let (validity, _) = read_element(fields, TAG_SEQUENCE)?;
    let (not_before, rest) = read_time(validity)?;
    let (not_after, _) = read_time(rest)?;
    Some(CertificateValidity { not_before, not_after })
}

/// The content of the first element, which must be of that kind, and what follows it (X.690, definite lengths).
fn read_element(der: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*first) {
        short if short < 0x80 => (short, rest),
        // Four bytes of length are more than any certificate has.
        long => {
            let (bytes, rest) =
                rest.split_at_checked(long & 0x7f).filter(|(bytes, _)| (1..=4).contains(&bytes.len()))?;
            (bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    (*tag == kind).then_some((content, rest))
}

/// `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` from then on (RFC 5280, 4.1.2.5).
fn read_time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let kind = *der.first()?;
    let (content, rest) = read_element(der, kind)?;
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let whole = match kind {
        TAG_UTC_TIME => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
        TAG_GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let at = DateTime::strptime("%Y%m%d%H%M%S", &whole).ok()?;
    Some((at.to_zoned(TimeZone::UTC).ok()?.timestamp(), rest))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `CN=hook`, valid from 2026 to 2036.
    pub(crate) const SAMPLE_PEM: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIBBTCBrAIBATAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARob29rMB4XDTI2MDEw\n\
        MTAwMDAwMFoXDTM2MDEwMTAwMDAwMFowDzENMAsGA1UEAwwEaG9vazBZMBMGByqG\n\
        SM49AgEGCCqGSM49AwEHA0IABNFlOu7gfd+Pdb9QAaRTHhOXTFu1olw37FUZCfr6\n\
        Bfe5Oj5Gr5V397+su8COMD5xnxaSb4S/3sBwV3pzWBX5gaEwCgYIKoZIzj0EAwID\n\
        SAAwRQIgXwPv03cloHNH9/wYmFIpo9np6/lrbY2kUlL5XYJ4eMMCIQCZZojapAMh\n\
        cjBPvUxvZp4gBZli3yy1ROh7zzOIirZfHg==\n\
        -----END CERTIFICATE-----\n";

    pub(crate) fn sample_ca_bundle() -> String {
        STANDARD.encode(SAMPLE_PEM)
    }

    #[test]
    fn the_times_of_a_certificate_are_read() {
        let found = parse_ca_bundle(&sample_ca_bundle()).unwrap();
        assert_eq!(found[0].not_before, "2026-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(found[0].not_after, "2036-01-01T00:00:00Z".parse().unwrap());
        let both = STANDARD.encode(format!("{SAMPLE_PEM}{SAMPLE_PEM}"));
        assert_eq!(parse_ca_bundle(&both).unwrap().len(), 2);
    }

    #[test]
    fn text_that_is_not_a_certificate_is_none() {
        let broken = SAMPLE_PEM.replace("MII", "AAA").replace("MIIB", "AAAA");
        for text in ["", "not a certificate", &broken, "-----BEGIN CERTIFICATE-----\nMIIB"] {
            assert_eq!(parse_ca_bundle(&STANDARD.encode(text)), None, "{text}");
        }
        assert_eq!(parse_ca_bundle("***"), None);
    }
}
