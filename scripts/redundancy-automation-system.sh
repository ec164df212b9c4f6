#!/bin/sh
# Is the redundancy system: watches processes, workflows and functions until it is told to end. RPM names the rpm to use.
set -eu
. "$(dirname -- "$0")/lib/start.sh"
rpm=$(find_rpm)
cd "$repository"
# Under a daemon that stands in for PM2 the home is PM2's.
if [ -n "${pm_id:-}" ] && [ -z "${RPM_HOME:-}" ] && [ -n "${PM2_HOME:-}" ]; then
    set -- --daemon "pm2=$PM2_HOME"
fi
# The daemon's child is the companion itself, not a shell in front of it.
exec "$rpm" redundancy "$@" run
