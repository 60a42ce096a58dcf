"""Rules as data: Cedar policies from `policies/`, evaluated to allow, deny or indeterminate with reasons."""
