//! The tenants: what the chart brings and each tenant has a copy of.

pub mod tenant_role_drift;
