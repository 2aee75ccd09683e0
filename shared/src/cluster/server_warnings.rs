//! Writes with the API server's `Warning` headers: deprecated APIs, unknown fields, Pod Security
//! (<https://kubernetes.io/blog/2020/09/03/warnings/>).
//! Input: a request. Output: the answer and the texts of its warnings.

use http::header::WARNING;
use http::{HeaderMap, Method, Request};
use kube::client::Body;
use serde_json::{Value, json};

use super::{ApiError, Cluster, error};

impl Cluster {
    /// Sends one write and returns the server's warnings.
    ///
    /// # Errors
    /// As [`Cluster::request`].
    pub(super) async fn request_with_warnings(
        &self,
        method: Method,
        path: &str,
        (kind, body): (&str, &Value),
    ) -> Result<Vec<String>, ApiError> {
        let request = Request::builder().method(method).uri(path).header("Content-Type", kind);
        let request = request.body(Body::from(body.to_string().into_bytes()));
        let request = request.map_err(|error| ApiError::from_cause(&self.server, &error))?;
        let answer = match tokio::time::timeout(self.request_timeout, self.exchange(request)).await {
            Ok(answer) => answer.map_err(|error| error::from_kube_error(&self.server, &self.login, error)),
            Err(_) => Err(ApiError::Timeout { server: self.server.clone(), seconds: self.request_timeout.as_secs() }),
        };
        self.should_retry(path, &answer.as_ref().map(|_| String::new()).map_err(Clone::clone));
        answer
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Vec<String>, kube::Error> {
        let answer = self.client.send(request).await?;
        let (status, warnings) = (answer.status(), read_warnings(answer.headers()));
        if status.is_success() {
            return Ok(warnings);
        }
        let bytes = answer.into_body().collect_bytes().await?;
        // A proxy may answer with something else than a Status.
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        let other = || json!({"status": "Failure", "code": status.as_u16(), "message": text});
        let status = serde_json::from_slice(&bytes).or_else(|_| serde_json::from_value(other()));
        Err(status.map_or_else(kube::Error::SerdeError, |status| kube::Error::Api(Box::new(status))))
    }
}

/// The texts of `Warning: 299 - "text"`, each once.
fn read_warnings(headers: &HeaderMap) -> Vec<String> {
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
