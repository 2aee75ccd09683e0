//! Signatures in the format of [minisign](https://jedisct1.github.io/minisign/). The key arrives as text, never as a file of ours.

use std::io::Cursor;

use anyhow::{Context, Result};
use minisign::{PublicKey, SecretKeyBox, SignatureBox};

/// A signing key: the text of minisign's key file, and its password if it has one.
pub struct SigningKey {
    /// The text of the key file.
    pub text: String,
    /// The password; `None` for a key that was made with `minisign -G -W`.
    pub password: Option<String>,
}

/// Signs these bytes. The trusted comment is signed too.
///
/// # Errors
/// The key is no minisign key, or the password is wrong.
pub fn sign(bytes: &[u8], key: &SigningKey, trusted_comment: &str) -> Result<String> {
    let boxed = SecretKeyBox::from_string(&key.text).context("the signing key is no minisign key")?;
    let secret = match &key.password {
        Some(password) => boxed.into_secret_key(Some(password.clone())),
        None => boxed.into_unencrypted_secret_key(),
    };
    let secret = secret.context("the signing key cannot be opened: check its password")?;
    let public = PublicKey::from_secret_key(&secret)?;
    let signed =
        minisign::sign(Some(&public), &secret, Cursor::new(bytes), Some(trusted_comment), Some(trusted_comment))?;
    Ok(signed.into_string())
}

/// Verifies a signature with the text of a public key file, or with its second line alone.
///
/// # Errors
/// The signature does not belong to these bytes and this key.
pub fn verify(bytes: &[u8], signature: &str, public_key: &str) -> Result<()> {
    // A key file has a comment in its first line.
    let encoded = public_key.trim().lines().last().unwrap_or_default();
    let public = PublicKey::from_base64(encoded).context("the public key is no minisign key")?;
    let signature = SignatureBox::from_string(signature).context("the signature has another format")?;
    Ok(minisign::verify(&public, &signature, Cursor::new(bytes), true, false, false)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use minisign::KeyPair;

    #[test]
    fn a_signature_belongs_to_its_bytes_and_its_key() {
        let (pair, other) = (throw_away_key(), throw_away_key());
        let key = SigningKey { text: pair.sk.to_box(None).unwrap().into_string(), password: None };
        let signature = sign(b"list", &key, "mural v0.1.0").unwrap();
        let public = pair.pk.to_box().unwrap().into_string();
        verify(b"list", &signature, &public).unwrap();
        verify(b"list", &signature, &pair.pk.to_base64()).unwrap();
        assert!(verify(b"lisT", &signature, &public).is_err());
        assert!(verify(b"list", &signature.replace("v0.1.0", "v0.2.0"), &public).is_err());
        assert!(verify(b"list", &signature, &other.pk.to_base64()).is_err());
        assert!(sign(b"list", &SigningKey { text: "no key".to_owned(), password: None }, "").is_err());
    }

    fn throw_away_key() -> KeyPair {
        KeyPair::generate_unencrypted_keypair().unwrap()
    }
}
