"""What is wrong with a picture: measured in numbers, judged by a table of checks. Pure."""
