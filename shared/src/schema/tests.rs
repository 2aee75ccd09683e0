//! Judged and compared with what the API server says.

mod corpus;
mod crd_rules;
mod samples;
