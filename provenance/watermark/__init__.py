"""Invisible, keyed marks in picture and sound that carry an opaque identifier and survive transcoding."""
