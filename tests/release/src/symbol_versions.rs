//! The newest glibc version that an ELF program needs, from its version table (`.gnu.version_r`).

use anyhow::{Context, Result, ensure};
use object::read::elf::{ElfFile64, FileHeader, SectionHeader};
use object::{Endianness, elf};

use crate::target::GLIBC_FLOOR;

/// Major and minor version of glibc.
pub type GlibcVersion = (u32, u32);

/// The versions of glibc that the program needs, oldest first; empty for a static program.
///
/// # Errors
/// The bytes are no 64-bit ELF file.
pub fn list_glibc_versions(program: &[u8]) -> Result<Vec<GlibcVersion>> {
    let file = ElfFile64::<Endianness>::parse(program).context("no 64-bit ELF file")?;
    let (header, endian) = (file.elf_header(), file.endian());
    let sections = header.sections(endian, program)?;
    let mut versions = Vec::new();
    for section in sections.iter().filter(|section| section.sh_type(endian) == elf::SHT_GNU_VERNEED) {
        let Some((mut needs, strings)) = section.gnu_verneed(endian, program)? else { continue };
        let strings = sections.strings(endian, program, strings)?;
        while let Some((_, mut needed)) = needs.next()? {
            while let Some(one) = needed.next()? {
                let name = one.name(endian, strings).ok().context("a version without a name")?;
                versions.extend(parse_version(&String::from_utf8_lossy(name)));
            }
        }
    }
    versions.sort_unstable();
    versions.dedup();
    Ok(versions)
}

/// Requires that the program runs with the glibc of [`GLIBC_FLOOR`].
///
/// # Errors
/// It needs a newer one, or is no ELF file.
pub fn require_glibc_floor(name: &str, program: &[u8]) -> Result<Option<GlibcVersion>> {
    let newest = list_glibc_versions(program).with_context(|| name.to_owned())?.last().copied();
    if let Some((major, minor)) = newest {
        let (floor_major, floor_minor) = GLIBC_FLOOR;
        ensure!(
            (major, minor) <= GLIBC_FLOOR,
            "{name} needs glibc {major}.{minor}, but a release must run with {floor_major}.{floor_minor}"
        );
    }
    Ok(newest)
}

/// `GLIBC_2.17` and `GLIBC_2.3.4`; no other name.
fn parse_version(name: &str) -> Option<GlibcVersion> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_symbol_version_is_read() {
        assert_eq!(parse_version("GLIBC_2.17"), Some((2, 17)));
        assert_eq!(parse_version("GLIBC_2.3.4"), Some((2, 3)));
        assert_eq!(parse_version("GCC_3.0"), None);
        assert_eq!(parse_version("GLIBC_PRIVATE"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_test_needs_some_glibc_and_text_is_no_program() {
        let ourselves = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let versions = list_glibc_versions(&ourselves).unwrap();
        assert!(versions.is_sorted() && versions.iter().all(|(major, _)| *major == 2), "{versions:?}");
        assert!(list_glibc_versions(b"#!/bin/sh\n").is_err());
        // Built for this machine, without a floor: the check must see it, unless the machine is as old as the floor.
        if versions.last().is_some_and(|newest| *newest > GLIBC_FLOOR) {
            assert!(require_glibc_floor("test", &ourselves).is_err());
        }
    }
}
