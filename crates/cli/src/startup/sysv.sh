#!/bin/sh
### BEGIN INIT INFO
# Provides:          {service}
# Required-Start:    $local_fs $remote_fs $network
# Required-Stop:     $local_fs $remote_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: {title} process manager
# Description:       Keeps the apps of {user} running
### END INIT INFO
#
# chkconfig: 2345 98 02
# description: {title} process manager

RUN_AS={user_quoted}
PATH={path_quoted}
{variable}={home_quoted}
export PATH {variable}

LOCK=/var/lock/subsys/{service}

# As the user, with this environment and not that of a login.
as_user() {
    if [ "$(id -un)" = "$RUN_AS" ]; then
        {exe_quoted} "$@"
    else
        su -m "$RUN_AS" -s /bin/sh -c 'exec "$0" "$@"' {exe_quoted} "$@"
    fi
}

case "$1" in
    start)
        as_user resurrect && { [ ! -d /var/lock/subsys ] || touch "$LOCK"; }
        ;;
    stop)
        as_user kill
        rm -f "$LOCK"
        ;;
    restart)
        "$0" stop
        "$0" start
        ;;
    reload)
        as_user reload all
        ;;
    status)
        as_user list
        ;;
    *)
        echo "usage: $0 {start|stop|restart|reload|status}"
        exit 1
        ;;
esac
