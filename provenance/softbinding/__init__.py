"""Soft bindings: how a manifest is found again when the file that carried it was re-encoded or stripped."""
