"""Commands around the pack; run each through bootstrap.py."""
