//! PURE: events and reports in, text out. Renderers compute nothing: `plan/` and `model/` decide, this folder formats.
//!
//! Standard output has the report; standard error has progress and problems. Input: values of `plan/`, `checks/` and `run/`. Output:
//! text, JSON, JUnit, SARIF, Markdown or HTML. `tests.rs` has a snapshot of every screen.

pub mod backup_report;
pub mod columns;
pub mod crd_check;
pub mod crd_fit;
pub mod crd_report;
pub mod event;
mod html_parts;
pub mod human;
pub mod image_list;
pub mod job_manifest;
pub mod migrate_report;
pub mod permission_manifest;
pub mod plan;
mod plan_guards;
pub mod problem_text;
pub mod rollback_report;
pub mod run_result;
pub mod sarif_log;
pub mod status_report;
pub mod style;
#[cfg(test)]
mod tests;
pub mod upgrade_html;
pub mod upgrade_markdown;
pub mod upgrade_report;
pub mod upgrade_result;
pub mod validate;
