"""Self-contained HTML pages: they open from disk, ask nobody for anything, and need no mouse."""
