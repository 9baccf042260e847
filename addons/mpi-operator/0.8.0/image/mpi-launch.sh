#!/bin/sh
# mpi-launch ARGUMENT...: mpirun with these arguments, once the names of all workers are known. A name server learns of a pod a
# moment after it is ready, and mpirun asks once only. MPI_WAIT: seconds to wait at most.
set -eu
left=${MPI_WAIT:-120}
while read -r host rest; do
    until getent hosts "$host" >/dev/null; do
        left=$((left - 1))
        if [ "$left" -lt 0 ]; then
            echo "mpi-launch: nobody is called $host" >&2
            exit 1
        fi
        sleep 1
    done
done </etc/mpi/hostfile
exec mpirun "$@"
