"""Keeps what pipelines record about their runs, apart for each namespace: metadata, execution cache, and a readable view."""
