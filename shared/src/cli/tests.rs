//! The `--help` text of every command as a snapshot, 100 columns wide. `INSTA_UPDATE=always cargo test` rewrites them.

use clap::{Command, CommandFactory};

use super::help_text::{complete_help, fill_in};
use super::{crds, upgrade, validate};
use crate::problem::Exit;

/// Columns of the help texts, independent of the terminal.
const HELP_WIDTH: usize = 100;

/// Lines of `-h`: one screen.
const MAX_SHORT_HELP_LINES: usize = 60;

/// Compares the help of a command and of its sub-commands with `snapshots/help_NAME.snap`.
fn assert_help(path: &str, command: &mut Command) {
    let help = fill_in(&command.render_long_help().to_string());
    assert!(path == "helm mural" || help.contains("Examples:") && help.contains("Exit codes:"), "{path}:\n{help}");
    let short = command.render_help().to_string();
    assert!(short.lines().count() <= MAX_SHORT_HELP_LINES, "{path} -h has {} lines", short.lines().count());
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("help_{}", path.replace(['-', ' '], "_")), help));
    for subcommand in command.get_subcommands_mut().filter(|subcommand| subcommand.get_name() != "help") {
        assert_help(&format!("{path} {}", subcommand.get_name()), subcommand);
    }
}

/// Hides the values of variables: they belong to the machine that runs the test.
fn hide_env_values(command: Command) -> Command {
    command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(hide_env_values)
}

fn assert_plugin_help<C: CommandFactory>() {
    let mut command = complete_help(hide_env_values(C::command())).term_width(HELP_WIDTH);
    command.build();
    let path = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    assert_help(&path, &mut command);
}

#[test]
fn the_readme_has_the_table_of_exit_codes() {
    let readme = include_str!("../../../README.md").replace('`', "");
    for exit in Exit::ALL {
        let row = format!("\n| {} | {} |\n", exit.code(), exit.meaning());
        assert!(readme.contains(&row), "the README lacks {row:?}");
    }
}

#[test]
fn short_help_fits_one_screen() {
    let mut command = complete_help(hide_env_values(upgrade::flags::Cli::command())).term_width(HELP_WIDTH);
    command.build();
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("short_help_kubectl_mural_upgrade", command.render_help().to_string()));
}

#[test]
fn help_of_helm_mural() {
    assert_plugin_help::<crds::flags::Cli>();
}

#[test]
fn help_of_kubectl_mural_upgrade() {
    assert_plugin_help::<upgrade::flags::Cli>();
}

#[test]
fn help_of_kubectl_mural_validate() {
    assert_plugin_help::<validate::flags::Cli>();
}
