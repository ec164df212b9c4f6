# What the start scripts share. They source it; `$0` is theirs.

repository=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

# Prints the rpm to use: $RPM, else the one on the PATH, else the repository's own build.
find_rpm() {
    if [ -n "${RPM:-}" ]; then
        command -v -- "$RPM" || fail "RPM=$RPM is not an executable"
    elif command -v rpm >/dev/null && ! is_package_manager; then
        command -v rpm
    elif [ -x "$repository/target/release/rpm" ]; then
        echo "$repository/target/release/rpm"
    else
        fail "there is no rpm on the PATH nor in target/release: run 'cargo build --release' or set RPM to its path"
    fi
}

# On some systems `rpm` is the package manager of that name.
is_package_manager() {
    case $(LC_ALL=C rpm --version 2>/dev/null) in
        'RPM version'*) true ;;
        *) false ;;
    esac
}

fail() {
    echo "$0: $1" >&2
    exit 1
}

# Asks before anything is deleted: what runs may be anything. YES=1 is the answer of a program.
agree() {
    [ "${YES:-}" = 1 ] && return
    [ -t 0 ] || fail "there are processes, which would be deleted: look at them with 'rpm list', then set YES=1"
    "$rpm" list
    printf 'Delete all these processes? [y/N] '
    read -r answer
    case $answer in
        y | Y | yes) ;;
        *) fail "nothing was deleted, nothing was started" ;;
    esac
}

# Stops and deletes what runs, once that is agreed to, starts the ecosystem file (a path relative to the repository), saves, shows status.
start_afresh() {
    rpm=$(find_rpm)
    # `delete all` fails when there is nothing to delete, which is no failure here; any other failure is one.
    running=$("$rpm" jlist)
    case $running in
        *'[]') ;;
        *) agree && "$rpm" delete all ;;
    esac
    "$rpm" start "$repository/$1"
    "$rpm" save
    "$rpm" status
}
