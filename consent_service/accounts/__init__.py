"""Who is calling: principals, their roles and API keys, and the notices relying parties receive."""
