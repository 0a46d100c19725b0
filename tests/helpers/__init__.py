"""What several tests share, each in one module, imported by its full name; no test imports another's file."""
