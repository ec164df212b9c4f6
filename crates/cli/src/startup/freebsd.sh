#!/bin/sh
#
# PROVIDE: {service}
# REQUIRE: LOGIN NETWORKING
# KEYWORD: shutdown

. /etc/rc.subr

name={service}
rcvar={service}_enable
extra_commands="reload"

start_cmd="as_user resurrect"
stop_cmd="as_user kill"
reload_cmd="as_user reload all"
status_cmd="as_user list"

as_user() {
    su -m {user_quoted} -c 'exec env PATH="$0" {variable}="$1" "$2" $3' \
        {path_quoted} {home_quoted} {exe_quoted} "$*"
}

load_rc_config "$name"
run_rc_command "$1"
