//! Health check of the tenants' copies of the role templates in the chart.
//!
//! An upgrade changes the templates but not the copies; the check compares the two and changes nothing.

pub mod tenant_role_drift;
