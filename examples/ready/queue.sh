#!/bin/sh
# Warms up, then waits for jobs.
trap 'echo "last job done"; exit 0' INT TERM
echo "loading"
sleep "${WARM_UP:-1}"
echo "waiting for jobs"
while :; do sleep 1 & wait $!; done
