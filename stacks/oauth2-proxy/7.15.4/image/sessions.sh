#!/bin/sh
# Keeps sessions in memory only. The password comes by the environment and goes on by standard input: anybody on the node
# can read a command line.
exec redis-server - <<END
bind * -::*
port 6379
requirepass $PASSWORD
save ""
appendonly no
dir /tmp
maxmemory 48mb
maxmemory-policy volatile-ttl
END
