#!/bin/bash
# A connection to a Service address that nothing translates would leave by the default route: swallowed (and remembered
# so by the kernel, until the client gives up half a minute later), or answered by somebody outside. Before kube-proxy
# has its rules, and for Services that are not there, it is refused instead; once translated, no packet bears such an
# address any more when it comes by here.
set -euo pipefail
services=10.96.0.0/16
# Pods, whichever filter rules come later: the route is looked up after the translation.
ip rule add iif kube-bridge to "$services" pref 500 unreachable
# Programs of the node itself: their route is looked up before the translation, so they meet a filter rule.
iptables -w -I OUTPUT -d "$services" -m comment --comment "no such Service" -j REJECT
iptables -w -I OUTPUT -p tcp -d "$services" -m comment --comment "no such Service" -j REJECT --reject-with tcp-reset
