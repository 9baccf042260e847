#!/bin/sh
# Starts MySQL or MariaDB, whichever the image has, on a data directory that it makes at the first start.
# ROOT_PASSWORD_FILE names a file with root's password; root may log in through the socket only. Arguments go to the server.
# Databases and their users are not made here: the installer makes them through the socket.
set -eu
umask 077

data=/var/lib/mysql
run=/run/mysqld
password=$(cat "$ROOT_PASSWORD_FILE")
case $password in
  '' | *[!A-Za-z0-9]*) echo "entrypoint: the password file must hold letters and digits only" >&2; exit 64 ;;
esac

if command -v mariadbd >/dev/null; then
  server=mariadbd
  datadir=$data/mariadb
  initialize() {
    mariadb-install-db --no-defaults --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve --datadir="$1"
  }
  own_flags="--skip-log-bin --secure-file-priv=$run"
else
  server=mysqld
  datadir=$data/mysql
  initialize() { mysqld --no-defaults --initialize-insecure --datadir="$1"; }
  own_flags="--disable-log-bin --mysqlx=OFF --secure-file-priv=NULL --innodb-redo-log-capacity=64M"
fi

if [ ! -d "$datadir" ]; then
  # made beside its place and renamed when complete: a start that was cut short begins anew
  rm -rf "$datadir.new"
  initialize "$datadir.new" >"$run/initialize.log" 2>&1 || { cat "$run/initialize.log" >&2; exit 70; }
  mv "$datadir.new" "$datadir"
fi

# read by the server before it takes connections, at every start, so that a new password holds after a restart;
# one statement a line, as MariaDB wants it
{
  echo "ALTER USER 'root'@'localhost' IDENTIFIED BY '$password';"
  if [ "$server" = mariadbd ]; then
    echo "DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');"
    echo "DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost';"
    echo "FLUSH PRIVILEGES;"
  fi
} >"$run/init.sql"

# shellcheck disable=SC2086  # the flags are words
exec "$server" --no-defaults --datadir="$datadir" --socket="$run/mysqld.sock" --pid-file="$run/mysqld.pid" \
  --init-file="$run/init.sql" --skip-name-resolve --performance-schema=OFF \
  --bind-address=0.0.0.0 --port=3306 $own_flags "$@"
