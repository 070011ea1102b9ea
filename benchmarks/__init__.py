"""What a request and an event cost the gateway, beside nginx and a plain aiohttp proxy, in one run on one machine."""
