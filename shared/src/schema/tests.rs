//! Judged and compared with what the API server says.

mod corpus;
mod samples;
mod written;
