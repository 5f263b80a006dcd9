# Installs what a fresh Debian machine with Rust lacks; sourced by deploy/dev and tests/run.

# install_missing GROUP: apt-get installs the group's packages where one of its programs is missing, and says so.
install_missing() {
    local packages=() missing=
    case "$1" in
    build)
        # A linker and C compiler for the crypto library; protoc and its well-known types for one dependency's build
        # script (prost-protovalidate-types; our own contract is compiled without it).
        packages=(gcc libc6-dev protobuf-compiler libprotobuf-dev)
        command -v cc >/dev/null || missing=cc
        command -v protoc >/dev/null || missing=protoc
        [ -f /usr/include/google/protobuf/descriptor.proto ] || missing=descriptor.proto
        ;;
    postgresql)
        # Server programs, not a server: nothing is started, and what Debian would start is told not to be made.
        packages=(postgresql)
        ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing=initdb
        ;;
    clients)
        # What the tests fetch their foreign clients with, send signals with, and read the advisory bundle with.
        packages=(python3-venv procps git curl)
        [ -x /bin/kill ] || missing=kill
        command -v git >/dev/null || missing=git
        command -v curl >/dev/null || missing=curl
        python3 -c 'import ensurepip, venv' 2>/dev/null || missing=python3-venv
        if ! command -v npm >/dev/null; then
            packages+=(nodejs npm)
            missing=npm
        fi
        ;;
    browser)
        # What reads and tries the API's page.
        packages=(chromium)
        command -v chromium >/dev/null || missing=chromium
        ;;
    solver)
        # What proves the policies.
        packages=(cvc5)
        command -v "${CVC5:-cvc5}" >/dev/null || missing=cvc5
        ;;
    containers)
        # What builds and runs images without a daemon; netavark calls iptables. debootstrap makes a builder.
        packages=(podman buildah runc netavark aardvark-dns catatonit iptables uidmap debootstrap binutils)
        local program
        for program in podman buildah runc iptables debootstrap objcopy; do
            PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || missing=$program
        done
        ;;
    receiver)
        # The trace receiver of the tests links to Python's library, which Python itself does not need.
        local library
        library=libpython$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        packages=("$library")
        # Not grep -q: it would hang up on ldconfig, which pipefail takes for a failure.
        /sbin/ldconfig -p | grep "$library\.so" >/dev/null || missing=$library
        ;;
    monitoring)
        # What scrapes, and what tests its rules. It is not started but by the check.
        packages=(prometheus openssl)
        for program in prometheus promtool openssl; do
            command -v "$program" >/dev/null || missing=$program
        done
        ;;
    drills)
        # What a cluster and its backups are made of. Nothing of it is started but by the drills.
        packages=(etcd-server patroni python3-etcd haproxy pgbackrest openssl)
        for program in etcd patroni /usr/sbin/haproxy pgbackrest openssl; do
            command -v "$program" >/dev/null || missing=$program
        done
        ;;
    esac
    [ -n "$missing" ] || return 0
    local sudo=
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    echo "$0: $missing is missing: apt-get install ${packages[*]}" >&2
    if [ "$1" = postgresql ]; then
        $sudo apt-get update -qq
        $sudo apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null
        echo 'create_main_cluster = false' | $sudo tee -a /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    local silenced=
    if { [ "$1" = drills ] || [ "$1" = monitoring ]; } && [ ! -e /usr/sbin/policy-rc.d ]; then
        # Debian starts what it installs; this says no, for as long as that takes.
        printf '#!/bin/sh\nexit 101\n' | $sudo tee /usr/sbin/policy-rc.d >/dev/null
        $sudo chmod 755 /usr/sbin/policy-rc.d
        silenced=1
    fi
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
    [ -z "$silenced" ] || $sudo rm -f /usr/sbin/policy-rc.d
}
