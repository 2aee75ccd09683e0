//! PURE nouns: what a chart, a CRD, a release, an owner and a cluster are. No module here touches the world.

pub mod application;
pub mod around;
pub mod chart;
pub mod crd;
pub mod flux;
pub mod grants;
pub mod images;
pub mod kept;
pub mod kinds;
pub mod lease;
pub mod managed;
pub mod migration;
pub mod object;
pub mod owner;
pub mod pending;
pub mod quantity;
pub mod release;
pub mod secret;
pub mod status;
pub mod token;
pub mod tools;
pub mod view;
pub mod waiting;
pub mod words;
pub mod yaml;
