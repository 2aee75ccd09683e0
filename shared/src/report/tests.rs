//! Every screen as a snapshot: fixed inputs, plain text, 100 columns. `INSTA_UPDATE=always cargo test` rewrites them.

mod check_screens;
mod plan_fixture;
mod plan_screens;
mod run_screens;
mod status_screens;

/// The time of every report.
const NOW: jiff::Timestamp = jiff::Timestamp::constant(1_795_419_000, 0);

/// Compares a screen with its snapshot `snapshots/NAME.snap`.
fn assert_screen(name: &str, screen: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, screen));
}
