"""Kubernetes clusters: the only room that knows the `kubernetes` library and the API server's wire format.

The library serves for configuration, authentication and transport; objects go over the wire as raw bytes and orjson,
never as its model classes. Nothing here decides: it says what is there, carries out one write, and tells who changed.
"""
