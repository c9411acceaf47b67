"""Decode and encode the JSON that the API uses."""
