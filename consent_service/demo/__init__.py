"""The studio that composes recordings, and the story that `make demo` tells with them.

A composed recording stands for a person in the demo and the tests, where nobody can be asked to sit before
a camera. In the field such a recording is itself a presentation attack (a still, animated through a mesh):
that the service accepts it is a limit of its liveness checks, stated in SECURITY.md, and no proof that they
suffice.
"""
