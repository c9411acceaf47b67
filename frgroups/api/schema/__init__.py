"""Decode and encode the JSON of the API."""
