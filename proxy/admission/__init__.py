"""Who may come in, and when: bounded concurrency and rate limits."""
