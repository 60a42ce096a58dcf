"""The transparency log: every decision leaves a leaf that nobody can change unnoticed."""
