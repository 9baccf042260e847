#!/bin/sh
# Succeeds when the server answers a query. The password travels in the environment, never in an argument.
set -eu
client=mysql
command -v mariadb >/dev/null && client=mariadb
MYSQL_PWD=$(cat "$ROOT_PASSWORD_FILE")
export MYSQL_PWD
exec "$client" --user=root --connect-timeout=5 --batch --skip-column-names --execute='SELECT 1'
