"""Statistics on plain arrays; nothing here knows about tables, files or models."""
