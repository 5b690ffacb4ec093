"""Trees on disk: written, kept, removed."""
