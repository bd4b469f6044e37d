"""What a crop shows: boxes by ratio, focus, subject and part, and the words for a framing. Pure."""
