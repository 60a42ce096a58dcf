"""Durable jobs: asked for in a transaction, run exactly once to their end, through crashes and restarts."""
