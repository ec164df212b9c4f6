#!/bin/sh
# Is the redundancy system: watches processes, workflows and functions until it is told to end. RPM names the rpm to use.
set -eu
. "$(dirname -- "$0")/lib/start.sh"
rpm=$(find_rpm)
cd "$repository"
# The daemon's child is the companion itself, not a shell in front of it.
exec "$rpm" redundancy run
