"""Personal data at rest: each person's own key seals it, and destroying that key erases it everywhere."""
