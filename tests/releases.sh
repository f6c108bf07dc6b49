#!/bin/sh
# Unpacks packages of other Debian releases into target/releases/FOLDER: C libraries for samples that are linked
# with them, a newer Go. Nothing of the system is changed. From the archive that apt gets this system's packages from.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)/target/releases

# Folder, release, packages. Of a C library: itself, what linking with it takes, and the compiler's part where this
# system's needs a newer library.
folders="
bullseye bullseye libc6 libc6-dev linux-libc-dev libgcc-10-dev libgcc-s1
trixie   trixie   libc6 libc6-dev linux-libc-dev libgcc-s1
go       trixie   golang-1.24-go golang-1.24-src
"

# shellcheck disable=SC1091 # sets VERSION_CODENAME
. /etc/os-release
archive=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' 'Component: main' |
    sed -n "s/^$VERSION_CODENAME //p" | head -n 1)

keys=/usr/share/keyrings/debian-archive-keyring.gpg

fetch() { # FOLDER RELEASE PACKAGE...
    folder=$here/$1
    release=$2
    shift 2
    [ ! -e "$folder" ] || return 0
    work=$(mktemp -d -p "$here")
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root/usr/lib" "$work/root/usr/lib64"
    : >"$work/status"
    echo "deb [signed-by=$keys] $archive $release main" >"$work/sources"
    (
        cd "$work"
        own="-o Dir::Etc::SourceList=$work/sources -o Dir::Etc::SourceParts=- -o Dir::State=$work
            -o Dir::State::Lists=$work/lists -o Dir::State::Status=$work/status -o Dir::Cache=$work/cache
            -o APT::Sandbox::User=$(id -un) -qq"
        # shellcheck disable=SC2086 # options, and one word for each package
        apt-get $own update && apt-get $own download "$@"
    )
    for package in "$work"/*.deb; do
        dpkg-deb --extract "$package" "$work/root"
    done
    # As the system's base files have it in releases where all is under /usr.
    for name in lib lib64; do
        [ -e "$work/root/$name" ] || ln -s "usr/$name" "$work/root/$name"
    done
    # Links from the root lead out of the folder.
    find "$work/root" -type l -lname '/*' | while read -r link; do
        ln -sfn "$folder$(readlink "$link")" "$link"
    done
    chmod -R a+rX "$work/root"
    # Unless somebody else was faster.
    mv -T "$work/root" "$folder" || [ -e "$folder" ]
    rm -rf "$work"
}

mkdir -p "$here"
echo "$folders" | while read -r line; do
    # shellcheck disable=SC2086 # words
    [ -z "$line" ] || fetch $line
done
