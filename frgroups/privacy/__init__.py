"""Erase one customer from the data folder, or export what it contains about one."""
