//! Writes with the API server's `Warning` headers: deprecated APIs, unknown fields, Pod Security
//! (<https://kubernetes.io/blog/2020/09/03/warnings/>).
//! Input: a request. Output: the answer and the texts of its warnings.

use http::header::WARNING;
use http::{HeaderMap, Method, Request};
use serde_json::Value;

use super::{ApiError, Cluster};

impl Cluster {
    /// Sends one write. Returns the answer as JSON, and the server's warnings.
    ///
    /// # Errors
    /// As [`Cluster::request`].
    pub(super) async fn request_with_warnings(
        &self,
        method: Method,
        path: &str,
        (kind, body): (&str, &Value),
    ) -> Result<(Value, Vec<String>), ApiError> {
        let request = Request::builder().method(method).uri(path).header("Content-Type", kind);
        let request = request.body(body.to_string().into_bytes());
        let request = request.map_err(|error| ApiError::from_cause(&self.server, &error))?;
        let answer = self.send_answer(request).await;
        self.should_retry(path, &answer.as_ref().map(|_| String::new()).map_err(Clone::clone));
        let answer = answer?;
        let value = serde_json::from_str(&answer.text).map_err(|error| ApiError::from_cause(&self.server, &error))?;
        Ok((value, answer.warnings))
    }
}

/// The texts of `Warning: 299 - "text"`, each once.
pub(super) fn read_warnings(headers: &HeaderMap) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for value in headers.get_all(WARNING) {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let quoted = value.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"')).map(|(text, _)| text);
        let text = quoted.unwrap_or(&value).replace("\\\"", "\"").replace("\\\\", "\\");
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_warning_is_between_its_quotes() {
        let mut headers = HeaderMap::new();
        let text = r#"299 - "would violate PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false""#;
        headers.append(WARNING, text.parse().unwrap());
        headers.append(WARNING, text.parse().unwrap());
        let told = "would violate PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false";
        assert_eq!(read_warnings(&headers), [told]);
        assert!(read_warnings(&HeaderMap::new()).is_empty());
    }
}
