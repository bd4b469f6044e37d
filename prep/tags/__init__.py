"""Tags as text, and what is known of them."""
