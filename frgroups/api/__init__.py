"""Client for the customer group API, with transport, retries, pagination, and tenant configuration."""
