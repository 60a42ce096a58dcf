"""Clips: the publish pipeline, published copies, and what a withdrawal of consent reaches."""
