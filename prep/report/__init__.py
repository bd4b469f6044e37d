"""`prep report`: all that is known of a folder of pictures, on one page that can be edited in."""
