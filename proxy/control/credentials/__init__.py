"""Fetches the credentials that expire, in the background and ahead of time: no request ever waits for one."""
