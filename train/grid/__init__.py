"""`train grid`: prompts x checkpoints x strengths x seeds x samplers, cell by cell, on one page."""
