"""The systems that are compared: how each is configured, started and asked. A file each, a row in `table`."""
