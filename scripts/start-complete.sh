#!/bin/sh
# Starts all tasks afresh: what runs is stopped and deleted once you agree (YES=1: without a
# question), the list is saved. RPM names the rpm to use.
set -eu
. "$(dirname -- "$0")/lib/start.sh"
start_afresh ecosystem/ecosystem.complete.toml
