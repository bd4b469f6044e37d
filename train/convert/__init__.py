"""Models and LoRAs in other forms: converted, merged, resized, extracted; a tensor at a time."""
