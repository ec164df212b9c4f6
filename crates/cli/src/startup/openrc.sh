#!/sbin/openrc-run

description="{title} process manager"
extra_started_commands="reload"

export PATH={path_quoted}
export {variable}={home_quoted}

depend() {
    need net
    use logger
    after bootmisc
}

as_user() {
    su -m {user_quoted} -s /bin/sh -c 'exec "$0" "$@"' {exe_quoted} "$@"
}

start() {
    ebegin "Starting {title}"
    as_user resurrect
    eend $?
}

stop() {
    ebegin "Stopping {title}"
    as_user save
    as_user kill
    eend $?
}

reload() {
    ebegin "Reloading the apps of {title}"
    as_user reload all
    eend $?
}
