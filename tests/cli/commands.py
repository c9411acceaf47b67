"""Functions that run commands in tests and read their output."""

import re
from pathlib import Path

from frgroups import Client
from frgroups.cli.main import main

# Options of the tables that require options.
_TABLE_OPTIONS = {
    "duplicate_groups": ["--min-jaccard", "0.001"],
    "region_members": ["--include", "all", "--exclude", "vip"],
    "group_profile": ["--group", "vip", "--min-count", "0"],
    "compare_groups": ["--group", "vip", "--versus", "staff", "--min-count", "0"],
    "reachability": ["--consent", "mobile=newsletter"],
    "campaign_reach": ["--register", "{register}"],
    "health_report": ["--register", "{register}"],
    "customer_history": ["--customer", "c-1"],
    "members": ["--members", "vip | staff"],
    "split_customers": ["--arm", "mail=0.8", "--arm", "control=0.2", "--seed", "spring"],
    "reachable_customers": ["--members", "vip | staff"],
    "waterfall": ["--audience", "Gold=vip", "--audience", "Rest=all", "--cap", "Rest=2", "--exclude", "staff"],
    "waterfall_summary": ["--audience", "Gold=vip", "--audience", "Rest=all", "--order-by", "credit_limit"],
    "segment": ["--rule", "rich=credit_limit > 0 and country_code == 'SE'"],
}


def code_of(words):
    """Return the exit code that main returns or raises as SystemExit."""
    try:
        return main([str(word) for word in words])
    except SystemExit as end:
        return end.code


def output(capsys, *words, code=0):
    """Run a command, and return what it prints to stdout and stderr."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


def interrupt_second_request(monkeypatch):
    """Raise KeyboardInterrupt before the second request that changes a group."""
    original, n_requests = Client.update_group_customers, []

    def fail_second(*arguments, **options):
        n_requests.append(1)
        if len(n_requests) > 1:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(Client, "update_group_customers", fail_second)


def path_after(label, text):
    """Return the path that a command printed after a label."""
    return Path(re.search(rf"^{label}:?\s+(\S*[^\s:])(?:\s|$)", text, re.M)[1])


def table_words(name, register):
    """Return the arguments of the command that prints a table."""
    return ["table", name, *(word.format(register=register) for word in _TABLE_OPTIONS.get(name, []))]
