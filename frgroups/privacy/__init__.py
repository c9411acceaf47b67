"""Erase one customer from the data folder, or export the customer's stored data."""
