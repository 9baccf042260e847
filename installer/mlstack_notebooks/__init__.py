"""Notebooks of profiles: what runs in a notebook's image (``start``), and the program that leads to them and wakes them."""
