#!/bin/bash
# A connection to a Service address made before kube-proxy has its rules would be swallowed, and keeps being swallowed
# for the half minute until the client gives up, since the kernel remembers it untranslated. Refused, it is tried again
# at once. With the rules there, packets no longer carry a Service address when they come by here.
set -euo pipefail
services=10.96.0.0/16
for chain in FORWARD OUTPUT; do
    iptables -w -I "$chain" -d "$services" -m comment --comment "no such Service yet" -j REJECT
    iptables -w -I "$chain" -p tcp -d "$services" -m comment --comment "no such Service yet" -j REJECT --reject-with tcp-reset
done
