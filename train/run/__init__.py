"""One run: decided, looked through, carried out, kept on the disk, continued."""
