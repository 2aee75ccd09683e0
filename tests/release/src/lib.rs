//! Builds what a release publishes, from the programs of each target.
//!
//! `dist` is the whole task. Everything else is one artefact per file: archives, licences, SBOM, checksums, signature, and the
//! manifests of krew, Homebrew and helm. Input: a checkout, the programs, and keys from the environment. Output: files in one
//! folder. The same input gives the same bytes, except for signatures.

pub mod archive;
pub mod brew_formula;
pub mod checksums;
pub mod dependencies;
pub mod dist;
pub mod helm_plugin;
pub mod krew_manifest;
pub mod measurements;
pub mod program_build;
pub mod release_info;
pub mod sbom;
pub mod signature;
pub mod symbol_versions;
pub mod target;
pub mod target_archive;
pub mod third_party_licences;
