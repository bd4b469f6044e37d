"""The review sheet: the rows, its files (CSV, XLSX, long form), and what came back. No ledger."""
