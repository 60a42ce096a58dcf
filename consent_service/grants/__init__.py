"""Consent: issue a grant, check a use against it, withdraw it in one commit, tell all who rely on it."""
