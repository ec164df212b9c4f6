# Read before each step of a scenario.

# await COMMAND...: until it succeeds. Says so where it never does, which ends the scenario.
await() {
    local end=$((SECONDS + 30))
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS > end)); then
            echo "waited in vain for: $*"
            return 1
        fi
        sleep 0.05
    done
}

# has FILE LINES: whether the file has at least so many lines.
has() { [ "$(wc -l <"$1")" -ge "$2" ]; }

# status_is NAME STATUS: whether all processes of that name have this status.
status_is() {
    pm2 list --mini-list | awk -v name="$1" -v status="$2" '
        /^\+--- / { ours = substr($0, 6) == name }
        /^status : / && ours { found = 1; if (substr($0, 10) != status) other = 1 }
        END { exit !found || other }
    '
}

# fields NAME FIELD...: these fields of pm2_env, a line for each process of that name.
fields() {
    pm2 jlist | node -e '
        const [name, ...fields] = process.argv.slice(1);
        const list = JSON.parse(require("fs").readFileSync(0, "utf8")).filter((p) => p.name === name);
        for (const p of list) console.log(fields.map((f) => JSON.stringify(p.pm2_env[f])).join(" "));
    ' "$@"
}

# reported NUMBER: whether so many processes of probes have reported.
reported() { [ "$(ls reports/*.json | wc -l)" -ge "$1" ]; }
