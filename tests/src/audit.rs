//! The API server's audit log, read as evidence: order, silence, cost.
