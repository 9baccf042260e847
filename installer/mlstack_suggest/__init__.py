"""A suggestion service for Katib on Optuna: the algorithms that no Go program offers. One process serves one experiment."""
