"""Reviews: what the gate could not decide, decided by a person, with a reason, on the record."""
