//! Which installer put this program where it is: its path in, an [`Installer`] out. Messages and links depend on it.

use std::path::{Path, PathBuf};

/// The installer of this program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Installer {
    /// krew, with its root folder. krew owns everything below it.
    Krew {
        /// `$KREW_ROOT`, by default `~/.krew`.
        root: PathBuf,
    },
    /// Homebrew.
    Brew,
    /// `install.sh`, or a copy by hand.
    Other,
}

impl Installer {
    /// Finds the installer by the path of this program's real file.
    ///
    /// krew unpacks into `ROOT/store/PLUGIN/VERSION` and records the plugin in `ROOT/receipts`. Homebrew unpacks into
    /// `PREFIX/Cellar/FORMULA/VERSION`.
    pub(crate) fn find(program: Option<&Path>) -> Self {
        let named = |name: &'static str| {
            program
                .into_iter()
                .flat_map(Path::ancestors)
                .find(move |folder| folder.file_name().is_some_and(|it| it == name))
        };
        if let Some(root) = named("store").and_then(Path::parent).filter(|root| root.join("receipts").is_dir()) {
            return Self::Krew { root: root.to_owned() };
        }
        if named("Cellar").is_some() { Self::Brew } else { Self::Other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_with_receipts_is_of_krew() {
        let root = std::env::temp_dir().join(format!("mural-krew-{}", std::process::id()));
        let program = root.join("store/mural/v0.1.0/bin/kubectl-mural");
        assert_eq!(Installer::find(Some(&program)), Installer::Other);
        std::fs::create_dir_all(root.join("receipts")).unwrap();
        assert_eq!(Installer::find(Some(&program)), Installer::Krew { root: root.clone() });
        std::fs::remove_dir_all(&root).unwrap();
        let brew = Path::new("/opt/homebrew/Cellar/mural/0.1.0/bin/kubectl-mural");
        assert_eq!(Installer::find(Some(brew)), Installer::Brew);
        assert_eq!(Installer::find(None), Installer::Other);
    }
}
