"""Decoding and encoding of the JSON that the API uses."""
