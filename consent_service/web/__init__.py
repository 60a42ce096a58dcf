"""What every HTTP route shares: idempotency, uploads, limits, headers, logs, metrics, the home page."""
