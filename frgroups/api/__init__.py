"""Call the customer group API: client, transport, retries, pagination and configuration."""
