#!/bin/bash
# kind's entrypoint, with more patience. It gives listing the packet filter's rules and looking up names five seconds
# each; on a loaded host that is too short, and it then takes the wrong packet filter variant: names of other nodes and
# of the outside no longer resolve. Exported, this function is what its `timeout` calls.
timeout() {
    shift
    command timeout 60 "$@"
}
export -f timeout
exec /usr/local/bin/entrypoint "$@"
