//! `install.sh` in an empty home folder, with the real helm and kubectl if they are installed.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "this test starts real programs and reads the environment; the bans are for the product"
)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::{env, fs};

use mural_tests::{scripted, trial_release};
use tempfile::TempDir;

const PROGRAMS: [&str; 4] = ["kubectl-mural", "kubectl-mural-upgrade", "kubectl-mural-validate", "helm-mural"];

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout")
}

fn script() -> PathBuf {
    checkout().join("install.sh")
}

/// A release archive of the programs in the profile of this test, with its checksums beside it.
fn release() -> &'static Path {
    static ARCHIVE: OnceLock<PathBuf> = OnceLock::new();
    ARCHIVE.get_or_init(|| trial_release::write_release(env!("CARGO_TARGET_TMPDIR"), "install").archive)
}

/// A release archive with small stand-ins for the programs: enough to see what the script does with files.
fn archive() -> &'static Path {
    static ARCHIVE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, archive) = ARCHIVE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("bin")).expect("a folder");
        for name in PROGRAMS {
            executable(&root.join("bin").join(name), &format!("#!/bin/sh\necho {name} \"$@\"\n"));
        }
        for file in ["plugins/helm-mural/plugin.yaml", "plugins/helm-mural/plugin.complete", "install.sh"] {
            let from = checkout().join(file);
            fs::copy(&from, root.join(from.file_name().expect("a file name"))).expect("a copy");
        }
        let archive = folder.path().join("release.tar.gz");
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(&archive).arg("-C").arg(&root).args([
            "bin",
            "plugin.yaml",
            "plugin.complete",
            "install.sh",
        ]);
        assert_success(&tar.output().expect("tar starts"));
        let sum = mural_release::checksums::sha256(&fs::read(&archive).expect("the archive"));
        fs::write(folder.path().join("SHA256SUMS"), format!("{sum}  release.tar.gz\n")).expect("a list");
        (folder, archive)
    });
    archive
}

fn executable(file: &Path, text: &str) {
    fs::write(file, text).expect("a script");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("its mode");
}

/// A home of its own, and the tools that are in it.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("home")).expect("a home");
        fs::create_dir(folder.path().join("tools")).expect("a folder of tools");
        Self { folder }
    }

    /// With this tool on PATH, under its plain name.
    fn with(self, name: &str, tool: &Path) -> Self {
        symlink(tool, self.folder.path().join("tools").join(name)).expect("a link");
        self
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn bin(&self) -> PathBuf {
        self.home().join(".local/bin")
    }

    fn command(&self, program: impl Into<OsString>) -> Command {
        let tools = self.folder.path().join("tools");
        let path = env::join_paths([self.bin(), tools, "/usr/bin".into(), "/bin".into()]).expect("a PATH");
        // Found here, because a command's own PATH does not tell where the command itself is looked for.
        let program = program.into();
        let found = env::split_paths(&path).map(|folder| folder.join(&program)).find(|file| file.exists());
        let mut command = Command::new(found.map_or(program, OsString::from));
        command.env_clear().env("PATH", path).env("HOME", self.home()).current_dir(self.folder.path());
        command
    }

    fn run(&self, program: &str, args: &[&str]) -> Output {
        self.command(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"))
    }

    /// Installs the real programs.
    fn install_release(&self) {
        assert_success(&self.command(script()).arg("--archive").arg(release()).output().expect("install.sh starts"));
    }

    /// Installs the stand-ins.
    fn install(&self, args: &[&str]) -> Output {
        self.command(script()).arg("--archive").arg(archive()).args(args).output().expect("install.sh starts")
    }

    fn script(&self, args: &[&str]) -> Output {
        self.command(script()).args(args).output().expect("install.sh starts")
    }

    /// Everything under the home: names, links, sizes, modes, and when it was last written.
    fn listing(&self) -> BTreeMap<PathBuf, String> {
        let mut all = BTreeMap::new();
        list(&self.home(), &mut all);
        all
    }
}

fn list(folder: &Path, all: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let data = path.symlink_metadata().expect("metadata");
        let what = if data.is_dir() {
            list(&path, all);
            "folder".to_owned()
        } else {
            let target = fs::read_link(&path).unwrap_or_default();
            let written = data.modified().expect("a time");
            format!("{:o} {} {written:?} {}", data.permissions().mode(), data.len(), target.display())
        };
        all.insert(path, what);
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}\n{}", output.status, text(output));
}

/// The tools on this machine: those that the sandbox has built, or that are on PATH. None found is no failure, but
/// said.
fn tools(name: &str) -> Vec<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    let built = cache.and_then(|cache| fs::read_dir(cache.join("mural/bin")).ok());
    let built = built.into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| {
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')).is_some_and(is_version)
    });
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    let all: Vec<PathBuf> = built.chain(on_path).collect();
    if all.is_empty() {
        eprintln!("no {name} on this machine: what needs it is left out");
    }
    all
}

fn is_version(text: &str) -> bool {
    text.split('.').count() == 3 && text.split('.').all(|part| part.parse::<u32>().is_ok())
}

#[test]
fn an_installation_comes_stays_and_goes() {
    let home = Home::new();
    let (first, plugins) = (home.home().join("hp"), home.home().join("hp/mural"));
    let flags = ["--helm-plugins", first.to_str().expect("a path in UTF-8")];
    let before = home.listing();
    assert_success(&home.install(&flags));
    for name in PROGRAMS {
        assert!(home.bin().join(name).is_file(), "{name}");
    }
    assert!(plugins.join("plugin.yaml").is_file() && plugins.join("bin/helm-mural").is_file());

    let installed = home.listing();
    let again = home.install(&flags);
    assert_success(&again);
    assert!(text(&again).contains("nothing to do"), "{}", text(&again));
    assert_eq!(home.listing(), installed, "a second time writes nothing");

    assert_success(&home.script(&["--uninstall"]));
    assert_eq!(home.listing(), before, "nothing is left");
    let nothing = home.script(&["--uninstall"]);
    assert_success(&nothing);
    assert!(text(&nothing).contains("nothing to do"));
}

#[test]
fn uninstalling_keeps_what_is_not_ours() {
    let home = Home::new();
    fs::create_dir_all(home.bin()).expect("a folder");
    fs::write(home.bin().join("theirs"), "theirs").expect("a file");
    let before = home.listing();
    assert_success(&home.install(&[]));
    fs::write(home.bin().join("kubectl-mural-later"), "theirs").expect("a file");
    assert_success(&home.script(&["--uninstall"]));
    fs::remove_file(home.bin().join("kubectl-mural-later")).expect("it is still there");
    assert_eq!(home.listing(), before);
}

#[test]
fn a_foreign_file_is_never_overwritten() {
    let home = Home::new();
    fs::create_dir_all(home.bin()).expect("a folder");
    fs::write(home.bin().join("kubectl-mural"), "theirs").expect("a file");
    let before = home.listing();
    let output = home.install(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("kubectl-mural already exists"), "{}", text(&output));
    assert_eq!(home.listing(), before);
}

#[test]
fn a_bad_archive_leaves_nothing() {
    let home = Home::new();
    let place = |name: &str| home.folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let whole = fs::read(archive()).expect("the archive");
    fs::write(place("cut.tar.gz"), &whole[..whole.len() / 2]).expect("a file");
    fs::write(place("text.tar.gz"), "not an archive").expect("a file");
    let empty = home.run("tar", &["-czf", &place("other.tar.gz"), "-C", &place("home"), "."]);
    assert_success(&empty);
    for (name, says) in [
        ("cut.tar.gz", "not a complete"),
        ("text.tar.gz", "not a complete"),
        ("other.tar.gz", "is missing"),
        ("absent.tar.gz", "no such file"),
    ] {
        let output = home.script(&["--skip-checksums", "--archive", &place(name)]);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", text(&output));
        assert!(text(&output).contains(says), "{name}: {}", text(&output));
        assert!(home.listing().is_empty(), "{name} left {:?}", home.listing());
    }
}

#[test]
fn a_changed_archive_is_refused() {
    let home = Home::new();
    let place = |name: &str| home.folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let sums = archive().with_file_name("SHA256SUMS");
    let mut bytes = fs::read(archive()).expect("the archive");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(place("release.tar.gz"), &bytes).expect("a file");
    fs::write(place("renamed.tar.gz"), &bytes).expect("a file");
    let refuses = |args: &[&str], message: &str| {
        let output = home.script(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", text(&output));
        assert!(text(&output).contains(message), "{args:?}: {}", text(&output));
        assert!(home.listing().is_empty(), "{args:?} left {:?}", home.listing());
    };
    let sums = sums.to_str().expect("UTF-8");
    refuses(&["--archive", &place("release.tar.gz")], "download SHA256SUMS");
    refuses(&["--archive", &place("renamed.tar.gz"), "--checksums", sums], "no checksum for renamed.tar.gz");
    refuses(&["--archive", &place("release.tar.gz"), "--checksums", sums], "damaged or was changed");
}

#[test]
fn windows_is_refused_with_what_to_do() {
    let home = Home::new();
    scripted::write_program(&home.folder.path().join("tools/uname"), "echo MINGW64_NT-10.0\n").expect("a script");
    let output = home.install(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("Windows is not supported: open a WSL terminal"), "{}", text(&output));
    assert!(home.listing().is_empty());
}

#[test]
fn a_failure_half_way_is_undone() {
    let home = Home::new();
    let plugins = home.home().join("hp").display().to_string();
    assert_success(&home.install(&["--helm-plugins", &plugins]));
    let before = home.listing();
    // A newer release, and an `mv` that fails once, when nearly everything is in its place.
    let release = home.folder.path().join("release");
    fs::create_dir(&release).expect("a folder");
    assert_success(&home.command("tar").arg("-xzf").arg(archive()).arg("-C").arg(&release).output().expect("tar"));
    for file in ["bin/kubectl-mural-upgrade", "plugin.yaml"] {
        let mut bytes = fs::read(release.join(file)).expect("a file");
        bytes.extend_from_slice(b"\n#\n");
        fs::write(release.join(file), bytes).expect("a file");
    }
    let mv = home.folder.path().join("tools/mv");
    let once = home.folder.path().join("once").display().to_string();
    let body = format!("case $3 in */plugin.yaml) mkdir '{once}' 2>/dev/null && exit 1 ;; esac\nexec /bin/mv \"$@\"\n");
    scripted::write_program(&mv, &body).expect("a script");
    let script = release.join("install.sh");
    let install = || home.command(&script).args(["--helm-plugins", &plugins]).output().expect("install.sh starts");
    let output = install();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("installed ") && text(&output).contains("cannot write "), "{}", text(&output));
    assert_eq!(home.listing(), before);
    assert_success(&install());
    assert_ne!(home.listing(), before);
}

#[test]
fn wrong_usage_is_64() {
    let home = Home::new();
    for args in [
        &["--nonsense"] as &[&str],
        &["--prefix"],
        &["--archive", "x", "--dev"],
        &["--uninstall", "--archive", "x"],
        &["--pack", "x"],
        &["--skip-checksums"],
    ] {
        let output = home.script(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {}", text(&output));
    }
    let help = home.script(&["--help"]);
    assert_success(&help);
    assert!(text(&help).contains("--uninstall"));
    assert!(home.listing().is_empty());
}

#[test]
fn without_cargo_it_says_what_is_missing() {
    let home = Home::new();
    if home.run("sh", &["-c", "command -v cargo"]).status.success() {
        eprintln!("cargo is in /usr/bin: left out");
        return;
    }
    let output = home.script(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("cargo was not found"), "{}", text(&output));
    assert!(home.listing().is_empty());
}

#[test]
fn kubectl_finds_its_plugins() {
    for kubectl in tools("kubectl") {
        let home = Home::new().with("kubectl", &kubectl);
        home.install_release();
        for words in [&["mural-upgrade", "--help"] as &[&str], &["mural", "upgrade", "--help"]] {
            let output = home.run("kubectl", words);
            assert_success(&output);
            assert!(text(&output).contains("kubectl mural upgrade"), "{}", text(&output));
        }
        for words in [&["mural-validate", "--help"] as &[&str], &["mural", "validate", "--help"], &["mural", "--help"]]
        {
            assert_success(&home.run("kubectl", words));
        }
        dispatcher_answers(&home);
        let page = home.home().join(".local/share/man/man1/kubectl-mural-upgrade.1");
        assert!(fs::read_to_string(page).expect("a man page").contains("kubectl mural upgrade"));
        assert_success(&home.script(&["--uninstall"]));
        let left: Vec<PathBuf> = home.listing().into_keys().filter(|path| !path.ends_with(".kube")).collect();
        let left: Vec<&PathBuf> = left.iter().filter(|path| !path.to_string_lossy().contains("/.kube/")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn dispatcher_answers(home: &Home) {
    let alone = home.run("kubectl", &["mural"]);
    assert_eq!(alone.status.code(), Some(64), "{}", text(&alone));
    assert!(text(&alone).contains("upgrade") && text(&alone).contains("validate"));
    let unknown = home.run("kubectl", &["mural", "upgrad"]);
    assert_eq!(unknown.status.code(), Some(64));
    assert!(text(&unknown).contains("kubectl mural upgrade"), "{}", text(&unknown));
    let offers = home.run("kubectl", &["__complete", "mural", ""]);
    assert!(text(&offers).contains("\ncrds\n"), "{}", text(&offers));
    let completion = home.run("kubectl", &["mural", "completion", "install"]);
    assert_success(&completion);
    assert!(text(&completion).contains("unchanged"), "{}", text(&completion));
}

#[test]
fn a_sub_command_takes_the_place_of_the_dispatcher() {
    let home = Home::new();
    let folder = home.folder.path().join("tools");
    assert_success(&home.command("tar").arg("-xzf").arg(release()).arg("-C").arg(home.home()).output().expect("tar"));
    fs::rename(home.home().join("bin/kubectl-mural"), folder.join("kubectl-mural")).expect("moved");
    let sibling = |name: &str, lines: &str| scripted::write_program(&folder.join(name), lines).expect("a script");
    sibling("kubectl-mural-upgrade", "echo $$ \"$@\"\nkill -s TERM $$\n");
    sibling("helm-mural", "echo \"$@\"\nexit 7\n");
    let child = home.command("kubectl-mural").args(["upgrade", "a b", "--", "-n"]).stdout(Stdio::piped()).spawn();
    let child = child.expect("it starts");
    let id = child.id();
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.signal(), Some(15), "the signal is the sibling's");
    assert_eq!(text(&output), format!("{id} a b -- -n\n"), "the process is the sibling's");
    let crds = home.run("kubectl-mural", &["crds", "diff"]);
    assert_eq!((crds.status.code(), text(&crds)), (Some(7), "crds diff\n".to_owned()));
    // Called through a link, as krew does: the siblings are where the link points.
    symlink(folder.join("kubectl-mural"), home.home().join("kubectl-mural_upgrade")).expect("a link");
    let krew = Command::new(home.home().join("kubectl-mural_upgrade")).env_clear().arg("plan").output();
    assert!(text(&krew.expect("it starts")).ends_with(" plan\n"));
    let missing = home.run("kubectl-mural", &["validate"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing).contains("kubectl-mural-validate was not found"), "{}", text(&missing));
    assert!(text(&missing).contains("./install.sh --archive"), "{}", text(&missing));
}

#[test]
fn every_helm_loads_its_plugin() {
    let helms = tools("helm");
    let Some(first) = helms.first() else { return };
    let home = Home::new().with("helm", first);
    home.install_release();
    for helm in &helms {
        let run = |words: &[&str]| home.command(helm).args(words).output().expect("helm starts");
        assert_success(&run(&["mural", "--help"]));
        let list = run(&["plugin", "list"]);
        assert_success(&list);
        assert!(text(&list).contains("mural"), "{}: {}", helm.display(), text(&list));
        assert!(!text(&list).to_lowercase().contains("warning"), "{}: {}", helm.display(), text(&list));
    }
    assert_success(&home.script(&["--uninstall"]));
    for helm in &helms {
        let list = home.command(helm).args(["plugin", "list"]).output().expect("helm starts");
        assert!(!text(&list).contains("mural"), "{}: {}", helm.display(), text(&list));
    }
}

#[test]
fn without_helm_the_kubectl_plugins_are_still_installed() {
    let home = Home::new();
    if home.run("sh", &["-c", "command -v helm"]).status.success() {
        eprintln!("helm is in /usr/bin: left out");
        return;
    }
    let output = home.install(&[]);
    assert_success(&output);
    assert!(text(&output).contains("helm was not found"), "{}", text(&output));
    assert!(home.bin().join("kubectl-mural-upgrade").is_file());
}

#[test]
fn the_plugin_has_the_version_of_the_workspace() {
    let yaml = fs::read_to_string(checkout().join("plugins/helm-mural/plugin.yaml")).expect("plugin.yaml");
    assert!(yaml.lines().any(|line| line == concat!("version: ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_readme_has_the_table_of_exit_codes_and_what_it_points_to() {
    let readme = fs::read_to_string(checkout().join("README.md")).expect("README.md");
    for exit in mural::problem::Exit::ALL {
        let row = format!("| {} | {} |", exit.code(), exit.meaning());
        assert!(readme.replace('`', "").contains(&row), "{row}");
    }
    for word in readme.split(|letter: char| letter.is_whitespace() || "`()".contains(letter)) {
        if word.starts_with("tests/") && word.contains('.') {
            assert!(checkout().join(word).exists(), "{word}");
        }
    }
}
