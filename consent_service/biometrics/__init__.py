"""Faces, voices and spoken digits as numbers, and the operating points at which numbers become decisions."""
