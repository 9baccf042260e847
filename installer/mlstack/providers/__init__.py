"""Cluster providers: one small class each behind ClusterProvider."""
