"""Edits of words: filters, rules, and what they change. Pure."""
