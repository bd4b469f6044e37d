"""Pictures: file -> upright 8-bit sRGB. Formats, colour, damage, and resizing."""
