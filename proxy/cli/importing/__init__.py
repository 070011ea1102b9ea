"""From another gateway's configuration to ours. Plain data in, plain data out; nothing here is read while serving."""
