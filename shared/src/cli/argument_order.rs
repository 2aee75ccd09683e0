//! Flags in front of a sub-command, as kubectl and helm take them.
//!
//! Input: the arguments of the process. Output: the same arguments, with flags that the sub-command also has behind its
//! name. Nothing else is changed; clap reports every mistake.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{ArgAction, Command};

/// Moves leading flags behind the sub-command: `--context prod status` becomes `status --context prod`.
///
/// # Errors
/// `--version` has a value: helm calls its chart version so, and clap would print the program's version and succeed.
pub(super) fn normalize(args: Vec<OsString>, command: &mut Command) -> Result<Vec<OsString>, clap::Error> {
    let Some((program, rest)) = args.split_first() else { return Ok(args) };
    command.build();
    let leading = count_leading_flags(rest, command);
    refuse_version_value(&rest[..leading.tokens], rest.get(leading.tokens), command)?;
    let Some(subcommand) = rest.get(leading.tokens).and_then(|name| command.find_subcommand_mut(name)) else {
        return Ok(args);
    };
    if leading.tokens == 0 && subcommand.has_subcommands() {
        let inner = normalize(rest.to_vec(), subcommand)?;
        return Ok([std::slice::from_ref(program), &inner].concat());
    }
    if leading.tokens == 0 || !leading.names.iter().all(|name| find_flag(subcommand, name).is_some()) {
        return Ok(args);
    }
    let (flags, behind) = rest.split_at(leading.tokens);
    let (name, behind) = behind.split_at(1);
    Ok([std::slice::from_ref(program), name, flags, behind].concat())
}

/// The flags before the first other argument.
struct LeadingFlags<'a> {
    /// How many arguments they take, values included.
    tokens: usize,
    /// As they are typed, without a value.
    names: Vec<&'a str>,
}

fn count_leading_flags<'a>(args: &'a [OsString], command: &Command) -> LeadingFlags<'a> {
    let mut leading = LeadingFlags { tokens: 0, names: Vec::new() };
    while let Some(text) = args.get(leading.tokens).and_then(|arg| arg.to_str()).filter(|text| text.starts_with('-')) {
        let (name, has_value) = match text.split_once('=') {
            Some((name, _)) => (name, true),
            None => (text, false),
        };
        let takes_value = find_flag(command, name).is_some_and(|flag| flag.get_action().takes_values());
        leading.names.push(name);
        leading.tokens += if takes_value && !has_value { 2 } else { 1 };
    }
    leading.tokens = leading.tokens.min(args.len());
    leading
}

fn find_flag<'a>(command: &'a Command, typed: &str) -> Option<&'a clap::Arg> {
    command.get_arguments().find(|flag| match typed.strip_prefix("--") {
        Some(long) => flag.get_long() == Some(long),
        None => flag.get_short().is_some_and(|short| typed.strip_prefix('-') == Some(short.to_string().as_str())),
    })
}

fn refuse_version_value(flags: &[OsString], next: Option<&OsString>, command: &mut Command) -> Result<(), clap::Error> {
    let is_version =
        |typed: &str| find_flag(command, typed).is_some_and(|flag| matches!(flag.get_action(), ArgAction::Version));
    let inline = flags.iter().filter_map(|flag| flag.to_str()?.split_once('=')).any(|(name, _)| is_version(name));
    let is_last = flags.last().and_then(|flag| flag.to_str()).is_some_and(is_version);
    let has_value = inline || (is_last && next.is_some_and(|next| command.find_subcommand(next).is_none()));
    if !has_value {
        return Ok(());
    }
    let instead = match find_flag(command, "--to") {
        Some(_) => "; for the version of the charts, use --to VERSION and --crds VERSION",
        None => "",
    };
    Err(command.error(ErrorKind::TooManyValues, format!("--version prints the version of this program{instead}")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::upgrade::flags::Cli;

    fn normalized(line: &str) -> Result<String, String> {
        let args = line.split(' ').map(OsString::from).collect();
        let args = normalize(args, &mut Cli::command()).map_err(|error| error.to_string())?;
        Ok(args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn flags_in_front_of_a_sub_command_go_behind_it() {
        for (typed, expected) in [
            ("x --context prod status", "x status --context prod"),
            ("x -n hub --context=prod status -o json", "x status -n hub --context=prod -o json"),
            ("x --to 1.0.0 plan", "x plan --to 1.0.0"),
            ("x --context status", "x --context status"),
            ("x status --context prod", "x status --context prod"),
            ("x --to 1.0.0 status", "x --to 1.0.0 status"),
            ("x --to 1.0.0 --yes", "x --to 1.0.0 --yes"),
            ("x --unknown status", "x --unknown status"),
            ("x", "x"),
        ] {
            assert_eq!(normalized(typed).as_deref(), Ok(expected), "{typed}");
        }
    }

    #[test]
    fn flags_in_front_of_a_deeper_sub_command_go_behind_it() {
        let args = "x crds --context prod -n hub list ./c".split(' ').map(OsString::from).collect();
        let args = normalize(args, &mut crate::cli::crds::flags::Cli::command()).unwrap();
        let line = args.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        assert_eq!(line, "x crds list --context prod -n hub ./c");
    }

    #[test]
    fn a_version_with_a_value_is_refused() {
        for typed in ["x --version 1.1.0-rc.3 --yes", "x --version=1.1.0", "x --yes --version 1.1.0"] {
            assert!(normalized(typed).unwrap_err().contains("--to VERSION"), "{typed}");
        }
        assert_eq!(normalized("x --version").as_deref(), Ok("x --version"));
    }
}
