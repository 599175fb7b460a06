"""Read files that nobody vouches for: whole, within limits, with a message for what is wrong."""
