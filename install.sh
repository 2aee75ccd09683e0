#!/bin/sh
# Installs Mural: the kubectl plugins, and the helm plugin if helm is installed. Needs no root.
#
# The script prepares all files in temporary folders on the destination's file system, then moves them into place with one
# rename per file. If a step fails or is interrupted before the last rename, the script restores the previous state.
# PREFIX/share/mural/installed lists the installed files; --uninstall removes these files and nothing else.
# shellcheck disable=SC2015 # `A && B || fail`: fail never returns, so this is an if.
set -eu

PROGRAMS="kubectl-mural kubectl-mural-upgrade kubectl-mural-validate helm-mural"
# Links to kubectl-mural, which selects its work by the name of the link: `kubectl mural-upgrade`, and kubectl's completion.
LINKS="kubectl-mural_upgrade kubectl-mural_validate
kubectl_complete-mural kubectl_complete-mural-upgrade kubectl_complete-mural-validate
kubectl_complete-mural_upgrade kubectl_complete-mural_validate"
NEWLINE='
'

usage() {
    cat <<'HELP'
Install Mural: kubectl mural upgrade, kubectl mural validate, helm mural crds.

Usage: ./install.sh [--prefix DIR] [--helm-plugins DIR] [--archive FILE | --dev | --profile NAME]
       ./install.sh --uninstall [--prefix DIR]

  --prefix DIR         Install the programs into DIR/bin (default: ~/.local)
  --helm-plugins DIR   Install the helm plugin into DIR (default: $HELM_PLUGINS, else the output of `helm env`)
  --archive FILE       Install the programs of a release archive instead of building them
  --checksums FILE     Checksums of the release (default: SHA256SUMS beside the archive)
  --skip-checksums     Install an archive without checksums
  --profile NAME       Build with this cargo profile (default: dist, small and slow to build)
  --dev                Same as --profile dev: quick to build
  --uninstall          Remove the files of an earlier installation, and nothing else
  -h, --help           Show this help

In a checkout, the script builds the programs with cargo. In an unpacked release archive, it installs the programs of the
archive. Windows is not supported, except in WSL.

Exit codes:
   0  success
   1  failed; nothing was changed
  64  usage error
HELP
}

say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
misuse() { printf 'install.sh: %s\n  → install.sh --help\n' "$*" >&2; exit 64; }

# --- flags ------------------------------------------------------------------------------------------------------------

read_flags() {
    act=install prefix='' helm_plugins='' archive='' profile='' checksums='' skip_checksums=''
    while [ $# -gt 0 ]; do
        flag=$1
        shift
        case $flag in
            --*=*) set -- "${flag#*=}" "$@"; flag=${flag%%=*} ;;
        esac
        case $flag in
            --prefix | --helm-plugins | --archive | --profile | --checksums)
                [ $# -gt 0 ] && [ -n "$1" ] || misuse "$flag needs a value" ;;
        esac
        case $flag in
            --prefix) prefix=$1; shift ;;
            --helm-plugins) helm_plugins=$1; shift ;;
            --archive) archive=$1; shift ;;
            --profile) profile=$1; shift ;;
            --checksums) checksums=$1; shift ;;
            --skip-checksums) skip_checksums=yes ;;
            --dev) profile=dev ;;
            --uninstall) act=uninstall ;;
            -h | --help) usage; exit 0 ;;
            *) misuse "unknown flag $flag" ;;
        esac
    done
    [ -z "$archive" ] || [ -z "$profile" ] || misuse "--archive cannot be used with --dev or --profile: the programs of an archive are already built"
    [ -z "$archive" ] || [ "$act" = install ] || misuse "--archive cannot be used with --uninstall"
    [ -n "$archive" ] || [ -z "$checksums$skip_checksums" ] || misuse "--checksums and --skip-checksums need --archive"
    [ -z "$checksums" ] || [ -z "$skip_checksums" ] || misuse "--checksums cannot be used with --skip-checksums"
    if [ -z "$prefix" ]; then
        [ -n "${HOME:-}" ] || misuse "HOME is not set: use --prefix DIR"
        prefix=$HOME/.local
    fi
    prefix=$(absolute "$prefix")
    bin=$prefix/bin
    man=$prefix/share/man/man1
    list=$prefix/share/mural/installed
}

refuse_windows() {
    case $(uname -s) in
        MINGW* | MSYS* | CYGWIN* | Windows*)
            fail "Windows is not supported: open a WSL terminal (https://learn.microsoft.com/windows/wsl) and run install.sh there" ;;
    esac
}

# Prints an absolute path without a trailing slash.
absolute() {
    case $1 in
        *"$NEWLINE"* | *"|"*) misuse "a path must not contain a line break or |" ;;
        /*) absolute_path=$1 ;;
        *) absolute_path=$PWD/$1 ;;
    esac
    while [ "$absolute_path" != "${absolute_path%/}" ]; do absolute_path=${absolute_path%/}; done
    printf '%s\n' "$absolute_path"
}

# --- rollback ---------------------------------------------------------------------------------------------------------

# `work` contains the journal and the plan. `stage` and `plugin_stage` are on the destination's file systems.
work='' stage='' plugin_stage='' committed=''

begin() {
    trap 'finish "$?"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    work=$(mktemp -d "${TMPDIR:-/tmp}/mural-install.XXXXXX") || fail "cannot create a temporary folder in ${TMPDIR:-/tmp}"
    : >"$work/journal"
    : >"$work/plan"
}

finish() {
    trap '' HUP INT TERM
    trap - EXIT
    set +e
    if [ -n "$work" ]; then
        [ -n "$committed" ] || roll_back
        for folder in "$stage" "$plugin_stage"; do
            [ -z "$folder" ] || rm -rf "$folder"
        done
        [ -n "$committed" ] || remove_made_folders
        rm -rf "$work"
    fi
    exit "$1"
}

# Each journal line is written before its rename, so the journal is correct whenever an interruption happens.
roll_back() {
    sed '1!G;h;$!d' "$work/journal" | while IFS= read -r line; do
        path=${line#* }
        case $line in
            "put "*) rm -f "$path" ;;
            "away "*)
                kept=${path%%|*}
                path=${path#*|}
                [ -e "$kept" ] || [ -L "$kept" ] || continue
                mv -f "$kept" "$path" || cp -pR "$kept" "$path" || warn "cannot restore $path" ;;
        esac
    done
}

remove_made_folders() {
    sed '1!G;h;$!d' "$work/journal" | while IFS= read -r line; do
        case $line in
            "made "*) rmdir "${line#made }" 2>/dev/null ;;
        esac
    done
}

# Creates a folder and its parents, and records each new folder in the journal.
make_folder() {
    [ ! -d "$1" ] || return 0
    make_parent=${1%/*}
    [ -z "$make_parent" ] || make_folder "$make_parent"
    make_parent=${1%/*}
    mkdir "$1" 2>/dev/null || fail "cannot create the folder $1: check that ${make_parent:-/} is writable"
    printf 'made %s\n' "$1" >>"$work/journal"
}

# --- source of the programs -------------------------------------------------------------------------------------------

# Sets `from` to a folder with bin/, plugin.yaml and plugin.complete.
find_source() {
    if [ -n "$archive" ]; then
        unpack
    elif [ -f "$here/Cargo.toml" ]; then
        build
    elif [ -f "$here/bin/kubectl-mural" ]; then
        [ -z "$profile" ] || misuse "--dev and --profile require a checkout; this is an unpacked release archive"
        from=$here
    else
        fail "$here is neither a checkout nor an unpacked release archive: use --archive FILE"
    fi
    for name in $PROGRAMS; do
        [ -f "$from/bin/$name" ] || fail "$name is missing in ${archive:-$from/bin}"
    done
    for name in plugin.yaml plugin.complete; do
        [ -f "$from/$name" ] || fail "$name is missing in ${archive:-$from}"
    done
    for name in $PROGRAMS; do chmod 755 "$from/bin/$name" 2>/dev/null || true; done
    "$from/bin/kubectl-mural" --version >/dev/null 2>&1 ||
        fail "the programs do not run on this machine ($(uname -sm)): use the archive for this system"
}

unpack() {
    [ -f "$archive" ] || fail "$archive: no such file"
    [ -r "$archive" ] || fail "cannot read $archive"
    [ -n "$skip_checksums" ] || verify_checksum
    tar -tzf "$archive" >"$work/names" 2>/dev/null || fail "$archive is not a complete .tar.gz archive"
    if grep -Eq '^/|(^|/)\.\.(/|$)' "$work/names"; then fail "$archive contains an absolute path or a path with .."; fi
    from=$stage/source
    mkdir "$from"
    tar -xzf "$archive" -C "$from" 2>/dev/null || fail "cannot unpack $archive"
}

# Compares the archive with the list of the release. The list is signed: see "Install and remove the plugins" in plugins/docs/guide.md.
verify_checksum() {
    name=${archive##*/}
    if [ -z "$checksums" ]; then
        case $archive in */*) checksums=${archive%/*}/SHA256SUMS ;; *) checksums=SHA256SUMS ;; esac
    fi
    [ -f "$checksums" ] ||
        fail "$checksums: no such file; download SHA256SUMS of the same release beside the archive, or use --skip-checksums"
    expected=$(awk -v name="$name" '$2 == name { print $1 }' "$checksums")
    [ -n "$expected" ] || fail "$checksums contains no checksum for $name"
    if command -v sha256sum >/dev/null 2>&1; then
        actual=$(sha256sum <"$archive")
    elif command -v shasum >/dev/null 2>&1; then
        actual=$(shasum -a 256 <"$archive")
    else
        fail "neither sha256sum nor shasum was found: install one, or use --skip-checksums"
    fi
    [ "${actual%% *}" = "$expected" ] ||
        fail "$archive is damaged or was changed: its checksum is not the one in $checksums; download it again"
}

build() {
    profile=${profile:-dist}
    cargo=${CARGO:-cargo}
    command -v "$cargo" >/dev/null 2>&1 ||
        fail "cargo was not found: install Rust (https://rustup.rs), or use --archive FILE"
    say "building with cargo, profile $profile" >&2
    set --
    for name in $PROGRAMS; do set -- "$@" --package "$name"; done
    MURAL_BUILD_COMMIT=$(git -C "$here" log -1 --abbrev=12 --format=%h 2>/dev/null) || MURAL_BUILD_COMMIT=''
    MURAL_BUILD_DATE=$(TZ=UTC0 git -C "$here" log -1 --format=%cd --date=format-local:%Y-%m-%d 2>/dev/null) || MURAL_BUILD_DATE=''
    export MURAL_BUILD_COMMIT MURAL_BUILD_DATE
    (cd "$here" && "$cargo" build --locked --quiet --profile "$profile" "$@" >&2) || fail "cargo failed to build the programs"
    target=$(cd "$here" && "$cargo" metadata --no-deps --format-version 1 |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    built=$target/${CARGO_BUILD_TARGET:+$CARGO_BUILD_TARGET/}
    case $profile in
        dev | test) built=${built}debug ;;
        bench) built=${built}release ;;
        *) built=$built$profile ;;
    esac
    from=$stage/source
    mkdir "$from" "$from/bin"
    for name in $PROGRAMS; do
        cp "$built/$name" "$from/bin/$name" || fail "$name was built, but it is not in $built"
    done
    cp "$here/plugins/helm-mural/plugin.yaml" "$here/plugins/helm-mural/plugin.complete" "$from/"
    mkdir -p "$from/man/man1"
    cp "$here/plugins/kubectl-mural/kubectl-mural.1" "$from/man/man1/"
    for name in $PROGRAMS; do
        [ "$name" = kubectl-mural ] || "$from/bin/$name" __man-pages "$from/man/man1" || fail "$name cannot write its man pages"
    done
}

# --- helm's plugin folder ---------------------------------------------------------------------------------------------

# Sets `plugins` to helm's plugin folder; empty if helm is not installed.
find_plugins() {
    plugins=$helm_plugins
    # HELM_PLUGINS may contain several folders, like PATH; helm installs into the first.
    [ -n "$plugins" ] || plugins=${HELM_PLUGINS:-}
    helm=${HELM_BIN:-helm}
    if [ -z "$plugins" ] && command -v "$helm" >/dev/null 2>&1; then
        plugins=$(HELM_NO_PLUGINS=1 "$helm" env HELM_PLUGINS 2>/dev/null) || plugins=''
    fi
    if [ -z "$plugins" ] && [ -f "$list" ]; then
        plugins=$(sed -n 's|^file \(.*\)/mural/plugin\.yaml$|\1|p' "$list")
        [ -z "$plugins" ] || say "helm was not found: the helm plugin stays in $plugins"
    fi
    [ -n "$helm_plugins" ] || plugins=${plugins%%:*}
    if [ -z "$plugins" ]; then
        warn "helm was not found, so the helm plugin is not installed; install helm and run install.sh again, or use --helm-plugins DIR"
        return 0
    fi
    plugins=$(absolute "$plugins")
    plugin=$plugins/mural
    if [ -L "$plugin" ]; then fail "$plugin is a link of another installation: run helm plugin uninstall mural"; fi
}

# --- plan: one line per file, "kind|staged|destination" ---------------------------------------------------------------

plan_file() { # source, stage, destination, mode
    staged=$2/$(($(wc -l <"$work/plan") + 1))
    cp "$1" "$staged" && chmod "$4" "$staged" || fail "cannot write to $2: check the free disk space"
    printf 'file|%s|%s\n' "$staged" "$3" >>"$work/plan"
}

plan_link() { # target, destination
    staged=$stage/$(($(wc -l <"$work/plan") + 1))
    ln -s "$1" "$staged" || fail "cannot create a link in $stage"
    printf 'link|%s|%s\n' "$staged" "$2" >>"$work/plan"
}

make_stage() { # folder
    make_folder "$1"
    [ -d "$1" ] && [ -w "$1" ] || fail "$1 is not writable"
    mktemp -d "$1/.mural-install.XXXXXX" || fail "$1 is not writable"
}

# Checks that all destinations are writable, before the build.
make_ready() {
    for folder in "$bin" "$man" "${list%/*}"; do
        make_folder "$folder"
        [ -w "$folder" ] || fail "$folder is not writable"
    done
    stage=$(make_stage "$prefix")
    if [ -n "$plugins" ]; then
        make_folder "$plugin/bin"
        for folder in "$plugin" "$plugin/bin"; do [ -w "$folder" ] || fail "$folder is not writable"; done
        plugin_stage=$(make_stage "$plugins")
    fi
}

plan_all() {
    for name in $PROGRAMS; do plan_file "$from/bin/$name" "$stage" "$bin/$name" 755; done
    for name in $LINKS; do plan_link kubectl-mural "$bin/$name"; done
    for page in "$from"/man/man1/*.1; do
        [ ! -f "$page" ] || plan_file "$page" "$stage" "$man/${page##*/}" 644
    done
    if [ -n "$plugins" ]; then
        plan_file "$from/bin/helm-mural" "$plugin_stage" "$plugin/bin/helm-mural" 755
        plan_file "$from/plugin.complete" "$plugin_stage" "$plugin/plugin.complete" 755
        # Last, because helm sees the plugin as soon as this file exists.
        plan_file "$from/plugin.yaml" "$plugin_stage" "$plugin/plugin.yaml" 644
    fi
    write_list >"$work/list"
    plan_file "$work/list" "$stage" "$list" 644
}

# Prints the list of this installation: its files, its links, and the folders that this or an earlier run created.
write_list() {
    say "# Files installed by install.sh. install.sh --uninstall reads this list."
    while IFS='|' read -r kind staged place; do say "$kind $place"; done <"$work/plan"
    {
        if [ -f "$list" ]; then sed -n 's/^folder //p' "$list"; fi
        sed -n 's/^made //p' "$work/journal"
    } | LC_ALL=C sort -u | sed 's/^/folder /'
}

listed() { # path: did this script install it?
    [ -f "$list" ] || return 1
    [ "$1" = "$list" ] || grep -Fxq -e "file $1" -e "link $1" "$list"
}

places() {
    for name in $PROGRAMS $LINKS; do say "$bin/$name"; done
    [ -n "$plugins" ] || return 0
    for name in bin/helm-mural plugin.complete plugin.yaml; do say "$plugin/$name"; done
}

refuse_foreign() {
    places >"$work/places"
    while IFS= read -r place; do
        if [ -d "$place" ] && [ ! -L "$place" ]; then fail "$place is a folder"; fi
        if [ -e "$place" ] || [ -L "$place" ]; then
            listed "$place" || fail "$place already exists and is not part of an installation in $prefix: remove it first"
        fi
    done <"$work/places"
}

# The man pages are known only when the source is there.
refuse_foreign_pages() {
    while IFS='|' read -r kind staged place; do
        case $place in
            "$man"/*)
                if [ -e "$place" ] || [ -L "$place" ]; then
                    listed "$place" || fail "$place already exists and is not part of an installation in $prefix: remove it first"
                fi ;;
        esac
    done <"$work/plan"
}

# --- install and uninstall --------------------------------------------------------------------------------------------

same() { # kind, staged, place
    case $1 in
        link) [ -L "$3" ] && [ "$(readlink "$2")" = "$(readlink "$3")" ] ;;
        *) [ -f "$3" ] && [ ! -L "$3" ] && cmp -s "$2" "$3" && { [ ! -x "$2" ] || [ -x "$3" ]; } ;;
    esac
}

# Moves an existing file into the stage on the same file system, for a rollback.
move_away() { # path
    kept=$stage
    case $1 in "${plugins:-/dev/null}"/*) kept=${plugin_stage:-$stage} ;; esac
    kept=$kept/old$(wc -l <"$work/journal" | tr -d ' ')
    printf 'away %s|%s\n' "$kept" "$1" >>"$work/journal"
    mv -f "$1" "$kept" || fail "cannot move $1"
}

put_all() {
    changed=0
    while IFS='|' read -r kind staged place; do
        if same "$kind" "$staged" "$place"; then continue; fi
        if [ -e "$place" ] || [ -L "$place" ]; then move_away "$place"; fi
        printf 'put %s\n' "$place" >>"$work/journal"
        mv -f "$staged" "$place" || fail "cannot write $place"
        changed=$((changed + 1))
        case $place in
            "$list") ;;
            *) say "installed $place" ;;
        esac
    done <"$work/plan"
}

# Removes files of an earlier installation that are not part of this one.
drop_left_over() {
    [ -f "$list" ] || return 0
    sed -n -e 's/^file //p' -e 's/^link //p' "$list" >"$work/before"
    while IFS= read -r path; do
        if grep -Fxq -e "file $path" -e "link $path" "$work/list" || [ "$path" = "$list" ]; then continue; fi
        if [ -f "$path" ] || [ -L "$path" ]; then
            move_away "$path"
            say "removed $path (not part of this version)"
        fi
    done <"$work/before"
}

install_all() {
    begin
    find_plugins
    refuse_foreign
    make_ready
    find_source
    plan_all
    refuse_foreign_pages
    drop_left_over
    put_all
    committed=yes
    remove_empty_folders "$list"
    if [ "$changed" = 0 ]; then say "nothing to do: everything is already installed in $prefix"; fi
    if [ -n "$plugins" ]; then say "the helm plugin is in $plugin"; fi
    case :${PATH:-}: in
        *":$bin:"*) ;;
        *) warn "$bin is not on PATH, so kubectl does not find the plugins; run: export PATH=\"$bin:\$PATH\"" ;;
    esac
}

uninstall_all() {
    if [ ! -f "$list" ]; then
        say "nothing to do: $prefix contains no installation of this script"
        return 0
    fi
    [ -w "${list%/*}" ] || fail "${list%/*} is not writable"
    begin
    committed=yes
    cp "$list" "$work/list"
    # plugin.yaml first, so that helm never sees an incomplete plugin. The list last, so that an interrupted run can be repeated.
    sed -n -e 's/^file //p' -e 's/^link //p' "$work/list" | sed '1!G;h;$!d' | while IFS= read -r path; do
        [ -f "$path" ] || [ -L "$path" ] || continue
        rm -f "$path" || fail "cannot remove $path"
        say "removed $path"
    done
    rm -f "$list"
    remove_empty_folders "$work/list"
}

# Removes the folders that were created for the installation, if they are empty.
remove_empty_folders() { # list
    sed -n 's/^folder //p' "$1" | LC_ALL=C sort -r | while IFS= read -r folder; do
        rmdir "$folder" 2>/dev/null || true
    done
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
read_flags "$@"
refuse_windows
case $act in
    install) install_all ;;
    uninstall) uninstall_all ;;
esac
