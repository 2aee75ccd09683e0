//! Objects of a kind, page by page: one page is in memory at a time, however many objects there are.

use http::Method;
use serde_json::Value;

use super::{ApiError, Cluster, into_typed_items};

/// Objects of the first page, when nothing is known of their size.
const FIRST_PAGE_SIZE: usize = 50;
/// Objects of any page: kubectl's own `--chunk-size`.
const MAX_PAGE_SIZE: usize = 500;
/// What a page should weigh: custom resources may weigh a megabyte each.
const TARGET_PAGE_BYTES: usize = 2 * 1024 * 1024;
/// How often one page may be asked for again because its snapshot is gone.
const MAX_EXPIRED_RETRIES: usize = 5;

/// One page of a list.
#[derive(Debug)]
pub struct Page {
    /// The objects, each with `apiVersion` and `kind`.
    pub items: Vec<Value>,
    /// How many are still to come, where the server says.
    pub remaining: Option<u64>,
}

/// A list that is read page by page. Every object that is there all the while is handed on exactly once.
pub struct Pages<'a> {
    cluster: &'a Cluster,
    path: String,
    limit: usize,
    /// Where the next page begins; none when all are read.
    continue_token: Option<String>,
    /// The last object that was handed on, as the server orders them.
    last_key: String,
    has_restarted: bool,
}

impl<'a> Pages<'a> {
    /// The pages of the list at this path (`/apis/<group>/<version>/<plural>`). Nothing is read yet.
    #[must_use]
    pub fn new(cluster: &'a Cluster, path: impl Into<String>) -> Self {
        let (limit, continue_token, last_key) = (FIRST_PAGE_SIZE, Some(String::new()), String::new());
        Self { cluster, path: path.into(), limit, continue_token, last_key, has_restarted: false }
    }

    /// The next page; none after the last one. An empty list has one empty page.
    ///
    /// When the snapshot behind the list is gone (410), it goes on from what is there now: with the token that the server
    /// gives for it, or from the beginning, past what was handed on.
    ///
    /// # Errors
    /// As [`Cluster::request`]. Asked again, the same page is tried again.
    pub async fn next(&mut self) -> Result<Option<Page>, ApiError> {
        let mut expired = 0;
        loop {
            let Some(token) = self.continue_token.clone() else { return Ok(None) };
            match self.read_page(&token).await {
                Err(ApiError::Expired { continue_token: next, .. }) if expired < MAX_EXPIRED_RETRIES => {
                    expired += 1;
                    self.has_restarted |= next.is_none();
                    self.continue_token = Some(next.unwrap_or_default());
                }
                other => return other.map(Some),
            }
        }
    }

    async fn read_page(&mut self, token: &str) -> Result<Page, ApiError> {
        let next = if token.is_empty() { String::new() } else { format!("&continue={token}") };
        let path = format!("{}?limit={}{next}", self.path, self.limit);
        let text = self.cluster.request_text(Method::GET, &path, None).await?;
        let bytes = text.len();
        let page: Value =
            serde_json::from_str(&text).map_err(|error| ApiError::from_cause(&self.cluster.server, &error))?;
        drop(text);
        let token = page.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default();
        self.continue_token = (!token.is_empty()).then(|| token.to_owned());
        let remaining = page.pointer("/metadata/remainingItemCount").and_then(Value::as_u64);
        let mut items = into_typed_items(page);
        self.limit = fit_page_size(bytes, items.len());
        let last = items.last().map(object_key);
        if self.has_restarted {
            items.retain(|item| object_key(item) > self.last_key);
        }
        if let Some(last) = last.filter(|last| *last > self.last_key) {
            self.last_key = last;
        }
        Ok(Page { items, remaining })
    }
}

/// As many objects of this size as a page should hold.
fn fit_page_size(bytes: usize, objects: usize) -> usize {
    let each = bytes / objects.max(1);
    (TARGET_PAGE_BYTES / each.max(1)).clamp(1, MAX_PAGE_SIZE)
}

/// Where an object stands in a list: the server orders them by their key in etcd.
fn object_key(object: &Value) -> String {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_holds_as_many_as_weigh_little() {
        assert_eq!(fit_page_size(100_000, 50), MAX_PAGE_SIZE);
        assert_eq!(fit_page_size(50 * 1024 * 1024, 50), 2);
        assert_eq!(fit_page_size(300, 0), MAX_PAGE_SIZE);
        assert_eq!(fit_page_size(10 * TARGET_PAGE_BYTES, 1), 1);
    }

    #[test]
    fn objects_are_ordered_as_etcd_orders_their_keys() {
        let object = |namespace: &str, name: &str| json!({"metadata": {"namespace": namespace, "name": name}});
        assert!(object_key(&object("a-b", "z")) < object_key(&object("a", "a")));
        assert!(object_key(&object("a", "a")) < object_key(&object("a", "b")));
    }
}
