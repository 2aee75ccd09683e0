#!/bin/sh
# Installs Mural: the kubectl plugins, and the helm plugin for the helm that is there. Needs no root.
#
# Everything is made ready in temporary folders beside its destination and then moved into place, one rename a file.
# Whatever fails or is interrupted before the last rename is undone. What was installed is listed in
# PREFIX/share/mural/installed; --uninstall removes what is on that list, and nothing else.
# shellcheck disable=SC2015 # `A && B || fail`: fail never returns, so this is an if.
set -eu

PROGRAMS="kubectl-mural kubectl-mural-upgrade kubectl-mural-validate helm-mural"
# Other names of kubectl-mural, which sees by its name what is asked: `kubectl mural-upgrade`, and kubectl's completion.
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
       ./install.sh --pack OUT.tar.gz [--dev | --profile NAME]

  --prefix DIR         programs go to DIR/bin (default: ~/.local)
  --helm-plugins DIR   helm's plugin folder (default: $HELM_PLUGINS, else what `helm env` says)
  --archive FILE       take the programs from a release archive instead of building them
  --profile NAME       build with this cargo profile (default: dist, small and slow to build)
  --dev                the same as --profile dev: quick to build
  --uninstall          remove what an earlier run installed, and nothing else
  --pack OUT.tar.gz    make a release archive instead of installing
  -h, --help           this text

Run in a checkout it builds with cargo; run in an unpacked release archive it installs the programs that lie there.
Exit codes: 0 done, 1 failed and nothing was changed, 64 wrong usage.
HELP
}

say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
misuse() { printf 'install.sh: %s\n  → install.sh --help\n' "$*" >&2; exit 64; }

# --- what is wanted -------------------------------------------------------------------------------------------------

read_flags() {
    act=install prefix='' helm_plugins='' archive='' profile='' out=''
    while [ $# -gt 0 ]; do
        flag=$1
        shift
        case $flag in
            --*=*) set -- "${flag#*=}" "$@"; flag=${flag%%=*} ;;
        esac
        case $flag in
            --prefix | --helm-plugins | --archive | --profile | --pack)
                [ $# -gt 0 ] && [ -n "$1" ] || misuse "$flag needs a value" ;;
        esac
        case $flag in
            --prefix) prefix=$1; shift ;;
            --helm-plugins) helm_plugins=$1; shift ;;
            --archive) archive=$1; shift ;;
            --profile) profile=$1; shift ;;
            --pack) act=pack out=$1; shift ;;
            --dev) profile=dev ;;
            --uninstall) act=uninstall ;;
            -h | --help) usage; exit 0 ;;
            *) misuse "there is no flag $flag" ;;
        esac
    done
    [ -z "$archive" ] || [ -z "$profile" ] || misuse "--archive is already built: it does not go with --dev or --profile"
    [ -z "$archive" ] || [ "$act" = install ] || misuse "--archive only goes with an installation"
    if [ -z "$prefix" ]; then
        [ -n "${HOME:-}" ] || misuse "HOME is not set: give --prefix DIR"
        prefix=$HOME/.local
    fi
    prefix=$(absolute "$prefix")
    bin=$prefix/bin
    list=$prefix/share/mural/installed
}

# A path from the root, without a slash at its end.
absolute() {
    case $1 in
        *"$NEWLINE"* | *"|"*) misuse "a path cannot hold a line break or a |" ;;
        /*) absolute_path=$1 ;;
        *) absolute_path=$PWD/$1 ;;
    esac
    while [ "$absolute_path" != "${absolute_path%/}" ]; do absolute_path=${absolute_path%/}; done
    printf '%s\n' "$absolute_path"
}

# --- undoing ----------------------------------------------------------------------------------------------------------

# `work` holds our own notes, `stage` and `plugin_stage` lie on the file systems where things will go.
work='' stage='' plugin_stage='' committed=''

begin() {
    trap 'finish "$?"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    work=$(mktemp -d "${TMPDIR:-/tmp}/mural-install.XXXXXX") || fail "no temporary folder can be made in ${TMPDIR:-/tmp}"
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

# The journal tells before each rename what it is about to do, so it is true at any moment of an interruption.
roll_back() {
    sed '1!G;h;$!d' "$work/journal" | while IFS= read -r line; do
        path=${line#* }
        case $line in
            "put "*) rm -f "$path" ;;
            "away "*)
                kept=${path%%|*}
                path=${path#*|}
                [ -e "$kept" ] || [ -L "$kept" ] || continue
                mv -f "$kept" "$path" || cp -pR "$kept" "$path" || warn "$path could not be put back" ;;
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

# Makes a folder and its parents, and remembers each that was not there.
make_folder() {
    [ ! -d "$1" ] || return 0
    make_parent=${1%/*}
    [ -z "$make_parent" ] || make_folder "$make_parent"
    make_parent=${1%/*}
    mkdir "$1" 2>/dev/null || fail "$1 cannot be made: is ${make_parent:-/} writable?"
    printf 'made %s\n' "$1" >>"$work/journal"
}

# --- where the programs come from -------------------------------------------------------------------------------------

# Sets `from`: a folder with bin/, plugin.yaml and plugin.complete.
find_source() {
    if [ -n "$archive" ]; then
        unpack
    elif [ -f "$here/Cargo.toml" ]; then
        build
    elif [ -f "$here/bin/kubectl-mural" ]; then
        [ -z "$profile" ] || misuse "this is an unpacked release: there is nothing to build"
        from=$here
    else
        fail "$here is neither a checkout nor an unpacked release: give --archive FILE"
    fi
    for name in $PROGRAMS; do
        [ -f "$from/bin/$name" ] || fail "$name is missing in ${archive:-$from/bin}"
    done
    for name in plugin.yaml plugin.complete; do
        [ -f "$from/$name" ] || fail "$name is missing in ${archive:-$from}"
    done
    for name in $PROGRAMS; do chmod 755 "$from/bin/$name" 2>/dev/null || true; done
    "$from/bin/kubectl-mural" --version >/dev/null 2>&1 ||
        fail "the programs do not run on this machine ($(uname -sm)): are they for another one?"
}

unpack() {
    [ -f "$archive" ] || fail "$archive: there is no such file"
    [ -r "$archive" ] || fail "$archive cannot be read"
    tar -tzf "$archive" >"$work/names" 2>/dev/null || fail "$archive is not a whole .tar.gz archive"
    if grep -Eq '^/|(^|/)\.\.(/|$)' "$work/names"; then fail "$archive has a path that leads out of it"; fi
    from=$stage/source
    mkdir "$from"
    tar -xzf "$archive" -C "$from" 2>/dev/null || fail "$archive cannot be unpacked"
}

build() {
    profile=${profile:-dist}
    cargo=${CARGO:-cargo}
    command -v "$cargo" >/dev/null 2>&1 ||
        fail "cargo is not there: install Rust (https://rustup.rs), or give --archive FILE"
    say "building with cargo, profile $profile" >&2
    set --
    for name in $PROGRAMS; do set -- "$@" --package "$name"; done
    (cd "$here" && "$cargo" build --locked --quiet --profile "$profile" "$@" >&2) || fail "cargo could not build the programs"
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
        cp "$built/$name" "$from/bin/$name" || fail "cargo built $name, but not into $built"
    done
    cp "$here/plugins/helm-mural/plugin.yaml" "$here/plugins/helm-mural/plugin.complete" "$from/"
}

# --- where helm's plugin goes -----------------------------------------------------------------------------------------

# Sets `plugins` to helm's plugin folder, or leaves it empty.
find_plugins() {
    plugins=$helm_plugins
    # HELM_PLUGINS may name several folders, like PATH; helm installs into the first.
    [ -n "$plugins" ] || plugins=${HELM_PLUGINS:-}
    helm=${HELM_BIN:-helm}
    if [ -z "$plugins" ] && command -v "$helm" >/dev/null 2>&1; then
        plugins=$(HELM_NO_PLUGINS=1 "$helm" env HELM_PLUGINS 2>/dev/null) || plugins=''
    fi
    if [ -z "$plugins" ] && [ -f "$list" ]; then
        plugins=$(sed -n 's|^file \(.*\)/mural/plugin\.yaml$|\1|p' "$list")
        [ -z "$plugins" ] || say "no helm found: the plugin stays where it was installed, $plugins"
    fi
    [ -n "$helm_plugins" ] || plugins=${plugins%%:*}
    if [ -z "$plugins" ]; then
        warn "no helm found, so its plugin is not installed; run this again once there is one, or give --helm-plugins DIR"
        return 0
    fi
    plugins=$(absolute "$plugins")
    plugin=$plugins/mural
    if [ -L "$plugin" ]; then fail "$plugin is a link, so another installation: helm plugin uninstall mural"; fi
}

# --- the plan: one line for each thing, "kind|staged|destination" -----------------------------------------------------

plan_file() { # source, stage, destination, mode
    staged=$2/$(($(wc -l <"$work/plan") + 1))
    cp "$1" "$staged" && chmod "$4" "$staged" || fail "$2 cannot be written: is the disk full?"
    printf 'file|%s|%s\n' "$staged" "$3" >>"$work/plan"
}

plan_link() { # target, destination
    staged=$stage/$(($(wc -l <"$work/plan") + 1))
    ln -s "$1" "$staged" || fail "$stage cannot hold links"
    printf 'link|%s|%s\n' "$staged" "$2" >>"$work/plan"
}

make_stage() { # folder
    make_folder "$1"
    [ -d "$1" ] && [ -w "$1" ] || fail "$1 is not writable"
    mktemp -d "$1/.mural-install.XXXXXX" || fail "$1 is not writable"
}

# Before anything is built: can it go where it shall go?
make_ready() {
    for folder in "$bin" "${list%/*}"; do
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
    if [ -n "$plugins" ]; then
        plan_file "$from/bin/helm-mural" "$plugin_stage" "$plugin/bin/helm-mural" 755
        plan_file "$from/plugin.complete" "$plugin_stage" "$plugin/plugin.complete" 755
        # Last: from here on helm sees the plugin.
        plan_file "$from/plugin.yaml" "$plugin_stage" "$plugin/plugin.yaml" 644
    fi
    write_list >"$work/list"
    plan_file "$work/list" "$stage" "$list" 644
}

# What this installation consists of: its files and links, and the folders that were made for it, now or earlier.
write_list() {
    say "# What install.sh has installed here. install.sh --uninstall reads it."
    while IFS='|' read -r kind staged place; do say "$kind $place"; done <"$work/plan"
    {
        if [ -f "$list" ]; then sed -n 's/^folder //p' "$list"; fi
        sed -n 's/^made //p' "$work/journal"
    } | LC_ALL=C sort -u | sed 's/^/folder /'
}

listed() { # path: was it put there by us?
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
            listed "$place" || fail "$place is there, and not from an installation into $prefix: remove it first"
        fi
    done <"$work/places"
}

# --- doing it ---------------------------------------------------------------------------------------------------------

same() { # kind, staged, place
    case $1 in
        link) [ -L "$3" ] && [ "$(readlink "$2")" = "$(readlink "$3")" ] ;;
        *) [ -f "$3" ] && [ ! -L "$3" ] && cmp -s "$2" "$3" && { [ ! -x "$2" ] || [ -x "$3" ]; } ;;
    esac
}

# Moves what is there out of the way, into the stage on the same file system.
move_away() { # path
    kept=$stage
    case $1 in "${plugins:-/dev/null}"/*) kept=${plugin_stage:-$stage} ;; esac
    kept=$kept/old$(wc -l <"$work/journal" | tr -d ' ')
    printf 'away %s|%s\n' "$kept" "$1" >>"$work/journal"
    mv -f "$1" "$kept" || fail "$1 cannot be moved"
}

put_all() {
    changed=0
    while IFS='|' read -r kind staged place; do
        if same "$kind" "$staged" "$place"; then continue; fi
        if [ -e "$place" ] || [ -L "$place" ]; then move_away "$place"; fi
        printf 'put %s\n' "$place" >>"$work/journal"
        mv -f "$staged" "$place" || fail "$place cannot be written"
        changed=$((changed + 1))
        case $place in
            "$list") ;;
            *) say "installed $place" ;;
        esac
    done <"$work/plan"
}

# What an earlier installation had and this one has not.
drop_left_over() {
    [ -f "$list" ] || return 0
    sed -n -e 's/^file //p' -e 's/^link //p' "$list" >"$work/before"
    while IFS= read -r path; do
        if grep -Fxq -e "file $path" -e "link $path" "$work/list" || [ "$path" = "$list" ]; then continue; fi
        if [ -f "$path" ] || [ -L "$path" ]; then
            move_away "$path"
            say "removed   $path (not part of it any more)"
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
    drop_left_over
    put_all
    committed=yes
    remove_empty_folders "$list"
    if [ "$changed" = 0 ]; then say "nothing to do: all of it is installed in $prefix"; fi
    if [ -n "$plugins" ]; then say "the helm plugin is in $plugin"; fi
    case :${PATH:-}: in
        *":$bin:"*) ;;
        *) warn "$bin is not on PATH, so kubectl does not find the plugins; add it: export PATH=\"$bin:\$PATH\"" ;;
    esac
}

uninstall_all() {
    if [ ! -f "$list" ]; then
        say "nothing to do: $prefix holds no installation by this script"
        return 0
    fi
    [ -w "${list%/*}" ] || fail "${list%/*} is not writable"
    begin
    committed=yes
    cp "$list" "$work/list"
    # plugin.yaml first: helm must never see half a plugin. The list last: what is cut off can be done again.
    sed -n -e 's/^file //p' -e 's/^link //p' "$work/list" | sed '1!G;h;$!d' | while IFS= read -r path; do
        [ -f "$path" ] || [ -L "$path" ] || continue
        rm -f "$path" || fail "$path cannot be removed"
        say "removed $path"
    done
    rm -f "$list"
    remove_empty_folders "$work/list"
}

# Only those that were made for the installation; a folder that holds anything stays.
remove_empty_folders() { # list
    sed -n 's/^folder //p' "$1" | LC_ALL=C sort -r | while IFS= read -r folder; do
        rmdir "$folder" 2>/dev/null || true
    done
}

# --- a release archive ------------------------------------------------------------------------------------------------

# Flat, because helm wants plugin.yaml at the root of an archive; krew and this script do not mind.
pack_all() {
    [ -f "$here/Cargo.toml" ] || misuse "--pack needs a checkout"
    out=$(absolute "$out")
    [ -d "${out%/*}/" ] && [ -w "${out%/*}/" ] || fail "${out%/*} is not a writable folder"
    begin
    committed=yes
    stage=$(mktemp -d "${out%/*}/.mural-pack.XXXXXX")
    find_source
    cp "$here/LICENSE" "$here/README.md" "$here/CHANGELOG.md" "$here/install.sh" "$from/"
    chmod 755 "$from/install.sh" "$from/plugin.complete"
    set --
    if tar --version 2>/dev/null | grep -q GNU; then
        set -- --sort=name --owner=0 --group=0 --numeric-owner "--mtime=@${SOURCE_DATE_EPOCH:-0}"
    fi
    tar -C "$from" "$@" -cf "$stage/tar" CHANGELOG.md LICENSE README.md bin install.sh plugin.complete plugin.yaml
    # What is shipped is packed once; a quick build wants a quick archive.
    case $profile in dist) level=9 ;; *) level=1 ;; esac
    gzip -n "-$level" -c "$stage/tar" >"$stage/tar.gz"
    mv -f "$stage/tar.gz" "$out"
    say "packed $out"
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
read_flags "$@"
case $act in
    install) install_all ;;
    uninstall) uninstall_all ;;
    pack) pack_all ;;
esac
