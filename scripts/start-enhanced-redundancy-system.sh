#!/bin/sh
# The redundancy system of this repository: start-enhanced-redundancy-system.sh COMMAND [OPTIONS]
#
#   start      start its six apps (ecosystem/ecosystem.redundancy.toml)
#   stop       stop them
#   restart    stop them and start them from the file
#   status     how things stood at the last checks; ends with 0 healthy, 1 degraded, 2 emergency
#   health     how they stand now; ends likewise
#   report     write the health report of today and say where it is
#   logs       the last lines of each log
#   emergency  recover every part now
#
# RPM names the rpm to use; options are those of `rpm redundancy`, such as --json.
set -eu
. "$(dirname -- "$0")/lib/start.sh"

file=ecosystem/ecosystem.redundancy.toml

usage() {
    sed -n "2,13s/^# \\{0,1\\}//p" "$0" >&2
    exit 1
}

[ $# -ge 1 ] || usage
command=$1
shift
rpm=$(find_rpm)
# Those that it starts are to use the same one.
export RPM="$rpm"
cd "$repository"
case $command in
    start) exec "$rpm" start "$file" "$@" ;;
    stop | restart) exec "$rpm" "$command" "$file" "$@" ;;
    status | health | report | logs | emergency) exec "$rpm" redundancy "$command" "$@" ;;
    *) usage ;;
esac
