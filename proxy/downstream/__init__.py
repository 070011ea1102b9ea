"""The client's end: our own HTTP/1.1 server, and each request of it as `proxy.exchange.Downstream`.

The only room that knows how clients' bytes are framed. It knows nothing of surfaces: who serves a request, and how an
error is told, it is given as two functions (`server.Application`).
"""
