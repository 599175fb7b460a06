"""One question about a table in each module, each answered by one result."""
