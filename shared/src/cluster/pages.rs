//! Objects of a kind, page by page: one page is in memory at a time, however many objects there are.

use http::Method;
use serde_json::Value;

use super::{ApiError, Cluster, typed_items};

/// Objects of the first page, when nothing is known of their size.
const FIRST: usize = 50;
/// Objects of any page: kubectl's own `--chunk-size`.
const MOST: usize = 500;
/// What a page should weigh: custom resources may weigh a megabyte each.
const BYTES: usize = 2 * 1024 * 1024;
/// How often one page may be asked for again because its snapshot is gone.
const EXPIRES: usize = 5;

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
    next: Option<String>,
    /// The last object that was handed on, as the server orders them.
    last: String,
    begun_anew: bool,
}

impl<'a> Pages<'a> {
    /// The pages of the list at this path (`/apis/<group>/<version>/<plural>`). Nothing is read yet.
    #[must_use]
    pub fn of(cluster: &'a Cluster, path: impl Into<String>) -> Self {
        let (limit, next, last) = (FIRST, Some(String::new()), String::new());
        Self { cluster, path: path.into(), limit, next, last, begun_anew: false }
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
            let Some(token) = self.next.clone() else { return Ok(None) };
            match self.page(&token).await {
                Err(ApiError::Expired { next, .. }) if expired < EXPIRES => {
                    expired += 1;
                    self.begun_anew |= next.is_none();
                    self.next = Some(next.unwrap_or_default());
                }
                other => return other.map(Some),
            }
        }
    }

    async fn page(&mut self, token: &str) -> Result<Page, ApiError> {
        let next = if token.is_empty() { String::new() } else { format!("&continue={token}") };
        let path = format!("{}?limit={}{next}", self.path, self.limit);
        let text = self.cluster.text(Method::GET, &path, None).await?;
        let bytes = text.len();
        let page: Value =
            serde_json::from_str(&text).map_err(|error| ApiError::unreachable(&self.cluster.server, &error))?;
        drop(text);
        let token = page.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default();
        self.next = (!token.is_empty()).then(|| token.to_owned());
        let remaining = page.pointer("/metadata/remainingItemCount").and_then(Value::as_u64);
        let mut items = typed_items(page);
        self.limit = limit(bytes, items.len());
        let last = items.last().map(key);
        if self.begun_anew {
            items.retain(|item| key(item) > self.last);
        }
        if let Some(last) = last.filter(|last| *last > self.last) {
            self.last = last;
        }
        Ok(Page { items, remaining })
    }
}

/// As many objects of this size as a page should hold.
fn limit(bytes: usize, objects: usize) -> usize {
    let each = bytes / objects.max(1);
    (BYTES / each.max(1)).clamp(1, MOST)
}

/// Where an object stands in a list: the server orders them by their key in etcd.
fn key(object: &Value) -> String {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_holds_as_many_as_weigh_little() {
        assert_eq!(limit(100_000, 50), MOST);
        assert_eq!(limit(50 * 1024 * 1024, 50), 2);
        assert_eq!(limit(300, 0), MOST);
        assert_eq!(limit(10 * BYTES, 1), 1);
    }

    #[test]
    fn objects_are_ordered_as_etcd_orders_their_keys() {
        let object = |namespace: &str, name: &str| json!({"metadata": {"namespace": namespace, "name": name}});
        assert!(key(&object("a-b", "z")) < key(&object("a", "a")));
        assert!(key(&object("a", "a")) < key(&object("a", "b")));
    }
}
