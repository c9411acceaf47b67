"""
Many tenants on one machine: loaded side by side, and told of together.

`processes.py` loads each in a process of its own, `loaded.py` is the line that tells what became of one, `status.py`
says how old, how sure and how large what is kept of each is, and `status_page.py` makes a page of that. Which tenants
there are says `frgroups/tenants.py`.
"""

from frgroups.fleet.loaded import Loaded, exit_code_of, load_one, not_loaded
from frgroups.fleet.processes import load_many, stopped_by_signals
from frgroups.fleet.status import in_question, summary_of, tenant_status
from frgroups.fleet.status_page import status_html

__all__ = [
    "Loaded",
    "exit_code_of",
    "in_question",
    "load_many",
    "load_one",
    "not_loaded",
    "status_html",
    "stopped_by_signals",
    "summary_of",
    "tenant_status",
]
