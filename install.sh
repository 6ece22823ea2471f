#!/bin/sh
# Installs msvc: a checked release download where there is one for this machine, else by cargo.
#
#   MSVC_VERSION      the version to install (default: latest)
#   MSVC_INSTALL_DIR  where to put it (default: ~/.local/bin)
#   MSVC_RELEASES     where releases are downloaded from; unset, it is built by cargo
#
# It never needs root and changes nothing but that one file.
set -eu

version=${MSVC_VERSION:-latest}
directory=${MSVC_INSTALL_DIR:-$HOME/.local/bin}

say() { printf 'install: %s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

target() {
    case "$(uname -s)-$(uname -m)" in
        Linux-x86_64) echo x86_64-unknown-linux-gnu ;;
        Linux-aarch64 | Linux-arm64) echo aarch64-unknown-linux-gnu ;;
        Darwin-x86_64) echo x86_64-apple-darwin ;;
        Darwin-arm64) echo aarch64-apple-darwin ;;
        *) return 1 ;;
    esac
}

fetch() {
    if command -v curl >/dev/null 2>&1; then
        curl --fail --silent --show-error --location --output "$2" "$1"
    elif command -v wget >/dev/null 2>&1; then
        wget --quiet --output-document="$2" "$1"
    else
        return 1
    fi
}

checksum() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1"
    else
        shasum -a 256 "$1"
    fi | cut -d ' ' -f 1
}

download() {
    [ -n "${MSVC_RELEASES:-}" ] || return 1
    triple=$(target) || return 1
    archive=msvc-$triple.tar.gz
    fetch "$MSVC_RELEASES/$version/$archive" "$scratch/$archive" || return 1
    fetch "$MSVC_RELEASES/$version/$archive.sha256" "$scratch/$archive.sha256" ||
        fail "the release has no checksum: nothing was installed"
    expected=$(cut -d ' ' -f 1 <"$scratch/$archive.sha256")
    [ "$(checksum "$scratch/$archive")" = "$expected" ] ||
        fail "the checksum of $archive is wrong: nothing was installed"
    tar -xzf "$scratch/$archive" -C "$scratch" msvc || fail "$archive cannot be unpacked"
    place "$scratch/msvc"
}

# Moved in place as a whole, so that no half-written program is ever found. Each step says so when it
# fails: the shell does not stop by itself inside of a condition.
place() {
    mkdir -p "$directory" || fail "$directory cannot be made"
    cp "$1" "$directory/.msvc.new" || fail "$directory cannot be written to"
    chmod 755 "$directory/.msvc.new" || fail "$directory/.msvc.new cannot be made executable"
    mv -f "$directory/.msvc.new" "$directory/msvc" || fail "$directory/msvc cannot be replaced"
    say "installed $directory/msvc"
}

by_cargo() {
    command -v cargo >/dev/null 2>&1 ||
        fail "no release for this machine, and no cargo to build it: see https://rustup.rs"
    say "no release was downloaded; building with cargo"
    root=$scratch/root
    # Beside this script, unless it came through a pipe.
    here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || here=
    if grep -qs '^name = "msvc"$' "$here/Cargo.toml"; then
        cargo install --locked --path "$here" --root "$root" || fail "cargo could not build it"
    elif [ "$version" = latest ]; then
        cargo install --locked msvc --root "$root" || fail "cargo could not build it"
    else
        cargo install --locked msvc --version "$version" --root "$root" ||
            fail "cargo could not build it"
    fi
    place "$root/bin/msvc"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
download || by_cargo
case ":$PATH:" in
    *":$directory:"*) ;;
    *) say "add $directory to PATH to run it as \`msvc\`" ;;
esac
