//! Man pages from the definitions of the flags: one page for each command and sub-command.
//!
//! `cargo xtask dist` puts them into the archives. In a checkout, `install.sh` asks each program for its own pages.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Command;
use clap_mangen::Man;

use super::{Stream, help_text};

/// The first argument of a request for the man pages. Internal.
const MAN_PAGES_ARGUMENT: &str = "__man-pages";
/// The section of commands.
const SECTION: &str = "1";

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManPage {
    /// `kubectl-mural-upgrade-plan.1`
    pub file_name: String,
    /// The page in roff.
    pub text: Vec<u8>,
}

/// Renders the page of the command and of each of its sub-commands. `date` is the date at the foot of the pages.
///
/// # Errors
/// Rendering fails.
pub fn render_man_pages(command: Command, date: &str) -> io::Result<Vec<ManPage>> {
    let plugin = command.get_name().to_owned();
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect_pages(&command, &plugin, "", date, &mut pages)?;
    Ok(pages)
}

fn collect_pages(command: &Command, plugin: &str, verb: &str, date: &str, pages: &mut Vec<ManPage>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .section(SECTION)
        .date(date)
        .source(format!("mural {}", env!("CARGO_PKG_VERSION")))
        .manual("Mural");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
        man.render_subcommands_section(&mut text)?;
    }
    if let Some((examples, codes)) = help_text::find_examples(plugin, verb) {
        text.extend_from_slice(render_literal("EXAMPLES", examples).as_bytes());
        text.extend_from_slice(render_literal("EXIT STATUS", &codes).as_bytes());
    }
    pages.push(ManPage { file_name: format!("{name}.{SECTION}"), text });
    let visible = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    visible.into_iter().try_for_each(|sub| collect_pages(sub, plugin, sub.get_name(), date, pages))
}

/// A section whose lines stay as they are: an example must stay whole to be copied.
fn render_literal(title: &str, text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        // A line that starts with a dot or an apostrophe would be a request of roff.
        if line.starts_with(['.', '\'']) { format!("\\&{line}\n") } else { format!("{line}\n") }
    });
    format!(".SH \"{title}\"\n.nf\n{}.fi\n", lines.collect::<String>())
}

/// Answers `PROGRAM __man-pages DIR`: writes the pages into the folder. `None`: these are other arguments.
pub(super) fn answer_man_pages_request(command: Command, mut args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if args.next()? != MAN_PAGES_ARGUMENT {
        return None;
    }
    let folder = args.next().unwrap_or_else(|| ".".into());
    let written = write_pages(command, Path::new(&folder));
    Some(written.map_or_else(
        |error| {
            Stream::Stderr.write(&format!("Error: cannot write the man pages into {}: {error}\n", folder.display()));
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    ))
}

fn write_pages(command: Command, folder: &Path) -> io::Result<()> {
    let date = option_env!("MURAL_BUILD_DATE").unwrap_or_default();
    std::fs::create_dir_all(folder)?;
    render_man_pages(command, date)?
        .iter()
        .try_for_each(|page| std::fs::write(folder.join(&page.file_name), &page.text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn pages() -> Vec<ManPage> {
        let commands = [
            crate::cli::upgrade::flags::Cli::command(),
            crate::cli::validate::flags::Cli::command(),
            crate::cli::crds::flags::Cli::command(),
        ];
        commands.into_iter().flat_map(|command| render_man_pages(command, "2026-11-30").unwrap()).collect()
    }

    #[test]
    fn every_command_has_a_page_with_its_flags_and_examples() {
        let pages = pages();
        let names: Vec<&str> = pages.iter().map(|page| page.file_name.as_str()).collect();
        for name in [
            "kubectl-mural-upgrade.1",
            "kubectl-mural-upgrade-plan.1",
            "kubectl-mural-validate.1",
            "helm-mural-crds-check.1",
        ] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        let upgrade = pages.iter().find(|page| page.file_name == "kubectl-mural-upgrade.1").unwrap();
        let text = String::from_utf8_lossy(&upgrade.text).replace("\\-", "-");
        for part in [".TH KUBECTL-MURAL-UPGRADE 1", "--crds", "EXIT STATUS", "kubectl mural upgrade --to"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
