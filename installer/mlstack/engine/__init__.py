"""The one loop that carries out a plan, its action handlers, inventory and journal."""
