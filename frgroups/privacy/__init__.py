"""Erase one customer from the data folder, or export the stored data of the customer."""
