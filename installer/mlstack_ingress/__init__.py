"""The ingress controller of the stack ``knative``: Knative's internal Ingress objects become configuration of Envoy gateways.

Pure: ``model``, ``parse``, ``backends``, ``claims``, ``routes``, ``clusters``, ``listeners``, ``snapshot``, ``ledger``, ``status``.
The world: ``kube`` (the API server), ``xds`` (what gateways ask), ``controller`` (one turn of the loop), ``__main__``.
"""
