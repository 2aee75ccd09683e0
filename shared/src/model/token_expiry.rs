//! When a login ends, as far as its token says.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

/// When a JSON web token ends (RFC 7519, `exp`); none where it is none, or says nothing.
#[must_use]
pub fn read_expiry(token: &str) -> Option<Timestamp> {
    let payload = token.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Timestamp::from_second(claims["exp"].as_i64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_its_end() {
        let token = |claims: &str| format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(read_expiry(&token(r#"{"exp": 60}"#)), Timestamp::from_second(60).ok());
        for other in [token("{}"), "opaque".to_owned(), "a.b".to_owned(), token("no json")] {
            assert_eq!(read_expiry(&other), None);
        }
    }
}
