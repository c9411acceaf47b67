"""
Load, analyse and safely change the customer groups of a Flow Retail tenant.

    client -> members -> load -> snapshot -> analyse -> plan -> review -> apply -> receipt

>>> import frgroups as fg
>>> snapshot = fg.sample_snapshot()
>>> fg.group_sizes(snapshot)[["name", "n_members"]].to_dict("list")
{'name': ['All members', 'Staff', 'VIP'], 'n_members': [250, 1, 2]}
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from frgroups import errors
from frgroups.apply import apply_plan, settle_plan
from frgroups.apply.facts import WriteFacts
from frgroups.apply.probing import probe_writes
from frgroups.approval import approve_plan
from frgroups.cache import cache_info, list_snapshots, prune, read_snapshot, save_snapshot
from frgroups.changes import group_changes, membership_changes
from frgroups.changes.flow import group_flow
from frgroups.client import Client
from frgroups.client.check import Check
from frgroups.client.transport import PRODUCTION, STAGE
from frgroups.described import describe
from frgroups.errors import FrgroupsError
from frgroups.fleet import tenant_status
from frgroups.health import health_report
from frgroups.history import customer_history, size_history
from frgroups.home import home
from frgroups.limits import Finding, Limits
from frgroups.limits_file import read_limits
from frgroups.lists import read_list, resolve_customers
from frgroups.load import load_snapshot, refresh_groups
from frgroups.logs import log_json
from frgroups.overlap import overlap_matrix, overlap_pairs
from frgroups.overlap.regions import intersections, region_members
from frgroups.plan import Plan
from frgroups.plan.never_add import never_add_path
from frgroups.plan.plan_file import read_plan
from frgroups.plan.planning import plan_memberships
from frgroups.policy import Policy, read_policy
from frgroups.profile import compare_groups, group_profile
from frgroups.reach import incremental_reach, reachability
from frgroups.receipt import Receipt, read_receipt
from frgroups.receipt.undo import plan_undo
from frgroups.redundancy import duplicate_groups, subset_groups
from frgroups.redundancy.clusters import group_clusters
from frgroups.redundancy.fewest import set_cover
from frgroups.register import read_register
from frgroups.register.campaigns import campaign_reach
from frgroups.segments import segment
from frgroups.session import Session, start_session
from frgroups.sizes import group_sizes, groups_per_customer
from frgroups.snapshot import Snapshot, sample_snapshot, snapshot_from_frames
from frgroups.versions import __version__, show_versions
from frgroups.wire.records import Customer, Group

# isort: split
# Last, so that frgroups.members is this function, not the module that reads the members of groups.
from frgroups.segments.expressions import members

if TYPE_CHECKING:
    from frgroups import plot
    from frgroups.forgetting import forget
    from frgroups.forgetting.export import export_customer
    from frgroups.review import save_review
    from frgroups.sandbox import Sandbox

__all__ = [
    "PRODUCTION",
    "STAGE",
    "Check",
    "Client",
    "Customer",
    "Finding",
    "FrgroupsError",
    "Group",
    "Limits",
    "Plan",
    "Policy",
    "Receipt",
    "Sandbox",
    "Session",
    "Snapshot",
    "WriteFacts",
    "__version__",
    "apply_plan",
    "approve_plan",
    "cache_info",
    "campaign_reach",
    "compare_groups",
    "customer_history",
    "describe",
    "duplicate_groups",
    "errors",
    "export_customer",
    "forget",
    "group_changes",
    "group_clusters",
    "group_flow",
    "group_profile",
    "group_sizes",
    "groups_per_customer",
    "health_report",
    "home",
    "incremental_reach",
    "intersections",
    "list_snapshots",
    "load_snapshot",
    "log_json",
    "members",
    "membership_changes",
    "never_add_path",
    "overlap_matrix",
    "overlap_pairs",
    "plan_memberships",
    "plan_undo",
    "plot",
    "probe_writes",
    "prune",
    "reachability",
    "read_limits",
    "read_list",
    "read_plan",
    "read_policy",
    "read_receipt",
    "read_register",
    "read_snapshot",
    "refresh_groups",
    "region_members",
    "resolve_customers",
    "sample_snapshot",
    "save_review",
    "save_snapshot",
    "segment",
    "set_cover",
    "settle_plan",
    "show_versions",
    "size_history",
    "snapshot_from_frames",
    "start_session",
    "subset_groups",
    "tenant_status",
]

# What needs an extra, or few sessions need, comes on first use.
_LATER = {
    "Sandbox": ("frgroups.sandbox", "Sandbox"),
    "export_customer": ("frgroups.forgetting.export", "export_customer"),
    "forget": ("frgroups.forgetting", "forget"),
    "plot": ("frgroups.plot", None),
    "save_review": ("frgroups.review", "save_review"),
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'frgroups' has no attribute {name!r}")
    module, attribute = _LATER[name]
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return sorted(__all__)
