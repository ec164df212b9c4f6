#!/bin/ksh

daemon={exe_quoted}
daemon_flags="resurrect"
daemon_user={user_quoted}

. /etc/rc.d/rc.subr

export PATH={path_quoted}
export {variable}={home_quoted}

rc_check() {
    rc_exec "${daemon} ping" >/dev/null 2>&1
}

rc_stop() {
    rc_exec "${daemon} kill"
}

rc_reload() {
    rc_exec "${daemon} reload all"
}

rc_cmd "$1"
