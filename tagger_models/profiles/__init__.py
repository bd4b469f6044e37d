"""The taggers we know, as rows of data, and those that a person brings."""
