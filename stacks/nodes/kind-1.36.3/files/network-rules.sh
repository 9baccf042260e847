#!/bin/bash
# Rules of the pod network that must hold before anything else has made its own.
set -euo pipefail
pods=10.244.0.0/16
services=10.96.0.0/16

# Pods reach the outside by their node's address and each other by their own, on every node from the first moment on.
# (kube-router's rule for this learns of a new node minutes later; till then a policy takes its pods for strangers.)
iptables -w -t nat -A POSTROUTING -s "$pods" ! -d "$pods" -m comment --comment "pods to the outside" \
    -j MASQUERADE --random-fully

# A connection to a Service address that nothing translates would leave by the default route: swallowed (and remembered
# so by the kernel, until the client gives up half a minute later), or answered by somebody outside. Before kube-proxy
# has its rules, and for Services that are not there, it is refused instead; once translated, no packet bears such an
# address any more when it comes by here.
# Pods, whichever filter rules come later: the route is looked up after the translation.
ip rule add iif kube-bridge to "$services" pref 500 unreachable
# Programs of the node itself: their route is looked up before the translation, so they meet a filter rule.
iptables -w -I OUTPUT -d "$services" -m comment --comment "no such Service" -j REJECT
iptables -w -I OUTPUT -p tcp -d "$services" -m comment --comment "no such Service" -j REJECT --reject-with tcp-reset
