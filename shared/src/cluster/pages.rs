//! Lists the objects of a kind page by page: one page is in memory at a time, however many objects exist.
//!
//! It owns page sizes, continue tokens and what to do when the list's snapshot expires (410). `Cluster::list` reads small lists whole.
//! Input: a path. Output: pages, until there is none.

use http::Method;
use serde_json::Value;

use super::{ApiError, Cluster, into_typed_items};

/// Objects of the first page, before their size is known.
const FIRST_PAGE_SIZE: usize = 50;
/// Objects of any page: kubectl's own `--chunk-size`.
const MAX_PAGE_SIZE: usize = 500;
/// Target size of a page: a custom resource may have 1 MiB.
const TARGET_PAGE_BYTES: usize = 2 * 1024 * 1024;
/// Retries of one page after its snapshot expired.
const MAX_EXPIRED_RETRIES: usize = 5;

/// One page of a list.
#[derive(Debug)]
pub struct Page {
    /// The objects, each with `apiVersion` and `kind`.
    pub items: Vec<Value>,
    /// The number of remaining objects, if the server reports it.
    pub remaining: Option<u64>,
}

/// A list that is read page by page. An object that exists the whole time is returned exactly once.
pub struct Pages<'a> {
    cluster: &'a Cluster,
    path: String,
    limit: usize,
    /// The token of the next page. `None`: all pages are read.
    continue_token: Option<String>,
    /// The last returned object in the server's order.
    last_key: String,
    has_restarted: bool,
}

impl<'a> Pages<'a> {
    /// Prepares the list at this path (`/apis/<group>/<version>/<plural>`). Sends nothing yet.
    #[must_use]
    pub fn new(cluster: &'a Cluster, path: impl Into<String>) -> Self {
        let (limit, continue_token, last_key) = (FIRST_PAGE_SIZE, Some(String::new()), String::new());
        Self { cluster, path: path.into(), limit, continue_token, last_key, has_restarted: false }
    }

    /// Reads the next page. `None`: after the last one. An empty list has one empty page.
    ///
    /// If the snapshot of the list expired (410), it continues with the current objects: with the token that the server
    /// returns, or from the beginning and past the returned objects.
    ///
    /// # Errors
    /// As [`Cluster::request`]. The next call retries the same page.
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

/// The page limit for objects of this size.
fn fit_page_size(bytes: usize, objects: usize) -> usize {
    let each = bytes / objects.max(1);
    (TARGET_PAGE_BYTES / each.max(1)).clamp(1, MAX_PAGE_SIZE)
}

/// An object's position in a list: the server sorts by etcd key.
fn object_key(object: &Value) -> String {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_size_follows_the_size_of_objects() {
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
