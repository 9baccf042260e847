"""What programs of ours in pods have in common. Knows none of them."""
