"""Typed identifiers, the clock and the one error tree: what every slice may lean on."""
