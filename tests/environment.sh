# Sourced by tests/run and notebooks/start: the virtual environment in .venv, and Debian's packages.
# shellcheck shell=bash

root=$(CDPATH="" cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

on_debian() { [ "$(. /etc/os-release 2>/dev/null && printf '%s' "${ID:-}")" = debian ]; }

can_install() { [ "$(id -u)" = 0 ] && on_debian && command -v apt-get >/dev/null; }

# find_python: prints a Python that is new enough.
find_python() {
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    die "Python 3.11 or newer is needed and none was found on PATH (python3 is $(python3 --version 2>&1 || true))."
}

# stamp: what an installation depends on; another one has to be made when it changes.
stamp() { cat "$root/pyproject.toml" <(printf '%s' "$root") | sha256sum | cut -d' ' -f1; }

# prepare EXTRAS: makes .venv and installs this checkout with these extras, where that is not done yet.
# What was installed is remembered in .venv, so that a second run costs nothing.
prepare() {
    local extras=$1 base installed
    # A .venv that was made elsewhere, or whose Python is gone, is made again.
    if ! "$python" -c 'import os, sys; sys.exit(not os.path.samefile(sys.prefix, sys.argv[1]))' "$root/.venv" 2>/dev/null; then
        base=$(find_python) || exit 1
        if ! "$base" -c 'import ensurepip' 2>/dev/null; then
            if can_install; then refresh_apt && install_packages python3-venv; fi
            "$base" -c 'import ensurepip' 2>/dev/null ||
                die "$base cannot make virtual environments; on Debian, install the package python3-venv."
        fi
        say "making .venv with $("$base" --version)"
        "$base" -m venv --clear "$root/.venv" || exit 1
    fi
    # The extra "test" holds all that the notebooks need.
    for installed in "$extras" test; do
        [ "$(cat "$root/.venv/.installed-$installed" 2>/dev/null)" = "$(stamp)" ] && return
    done
    say "installing lxdimg-nb[$extras] into .venv"
    "$python" -m pip install -qq --disable-pip-version-check --editable "$root[$extras]" || die "pip failed"
    stamp >"$root/.venv/.installed-$extras"
}

# apt ARGUMENTS: apt-get without questions; quiet, and loud when it fails.
apt() {
    local log status
    log=$(mktemp)
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 </dev/null
    status=$?
    [ "$status" = 0 ] || { say "apt-get $* failed:" && tail -n 20 "$log" >&2; }
    rm -f "$log"
    return "$status"
}

apt_is_fresh=
refresh_apt() {
    [ -n "$apt_is_fresh" ] || apt update
    apt_is_fresh=1
}

# install_packages PACKAGE...: as root on Debian.
# No service is started by it: the tests run private daemons of their own.
install_packages() (
    policy=/usr/sbin/policy-rc.d
    say "installing Debian packages: $*"
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    fi
    apt install --no-install-recommends "$@"
)

# install_incus: Debian 13 has it; Debian 12 in its backports alone, which are added to apt, from the mirror
# that apt uses already, where no other place has it.
install_incus() {
    local release mirror file=/etc/apt/sources.list.d/lxdimg-backports.sources
    release=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
    if ! apt-cache show incus-base >/dev/null 2>&1; then
        mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $release" | head -n 1)
        [ -n "$mirror" ] || { say "apt names no mirror of $release, so Incus cannot be installed" && return 1; }
        say "adding $release-backports to apt ($file)"
        {
            printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\n' "$mirror" "$release"
            printf 'Signed-By: %s\n' /usr/share/keyrings/debian-archive-keyring.gpg
        } >"$file"
        apt update
    fi
    # What it needs may be newer there than in the release, and apt takes it from there only when told to.
    if apt-cache policy incus-base | grep -q "$release-backports"; then
        install_packages -t "$release-backports" incus-base incus-client
    else
        install_packages incus-base incus-client
    fi
}
