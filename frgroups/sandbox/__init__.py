"""A local test server that implements the customer groups API."""
