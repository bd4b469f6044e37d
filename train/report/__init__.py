"""`train report`: what a run did, on one page that is written while it trains."""
