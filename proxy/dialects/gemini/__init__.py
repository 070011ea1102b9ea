"""Google's dialect, `generateContent`: as its developer API, Vertex AI and their clients speak it."""
