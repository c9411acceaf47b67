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
from frgroups.analysis.campaigns import campaign_reach
from frgroups.analysis.changes import group_changes, membership_changes
from frgroups.analysis.clusters import group_clusters
from frgroups.analysis.describe import describe
from frgroups.analysis.duplicates import duplicate_groups, subset_groups
from frgroups.analysis.flow import group_flow
from frgroups.analysis.group_expressions import members
from frgroups.analysis.health import health_report
from frgroups.analysis.intersections import intersections, region_members
from frgroups.analysis.overlap import overlap_matrix, overlap_pairs
from frgroups.analysis.profile import compare_groups, group_profile
from frgroups.analysis.reach import incremental_reach, reachability
from frgroups.analysis.register import read_register
from frgroups.analysis.segments import segment
from frgroups.analysis.set_cover import set_cover
from frgroups.analysis.sizes import group_sizes, groups_per_customer
from frgroups.api.client import Client
from frgroups.api.connection_check import Check
from frgroups.api.environments import PRODUCTION, STAGE
from frgroups.api.schema.records import Customer, Group
from frgroups.apply.executor import apply_plan, finalize_plan
from frgroups.apply.receipt import Receipt, read_receipt
from frgroups.apply.undo import plan_undo
from frgroups.apply.write_capabilities import WriteCapabilities
from frgroups.apply.write_probe import probe_writes
from frgroups.errors import FrgroupsError
from frgroups.history.customer_history import customer_history
from frgroups.history.size_history import size_history
from frgroups.internals.paths import home
from frgroups.internals.structured_logging import log_json
from frgroups.internals.versions import __version__, show_versions
from frgroups.load.loader import load_snapshot, refresh_groups
from frgroups.load.tenant_status import tenant_status
from frgroups.plan.finding import Finding
from frgroups.plan.limits import Limits
from frgroups.plan.limits_file import read_limits
from frgroups.plan.plan import Plan
from frgroups.plan.plan_file import read_plan
from frgroups.plan.planner import plan_memberships
from frgroups.plan.suppression_list import suppression_list_path
from frgroups.review.approval import approve_plan
from frgroups.review.approval_policy import Policy, read_policy
from frgroups.session import Session, start_session
from frgroups.snapshot.customer_lists import read_list, resolve_customers
from frgroups.snapshot.from_frames import sample_snapshot, snapshot_from_frames
from frgroups.snapshot.snapshot import Snapshot
from frgroups.store.retention import cache_info, list_snapshots, prune
from frgroups.store.snapshot_store import read_snapshot, save_snapshot

if TYPE_CHECKING:
    from frgroups import plot
    from frgroups.privacy.erasure import erase_customer
    from frgroups.privacy.subject_access import export_customer
    from frgroups.review.writer import save_review
    from frgroups.sandbox.sandbox import Sandbox

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
    "WriteCapabilities",
    "__version__",
    "apply_plan",
    "approve_plan",
    "cache_info",
    "campaign_reach",
    "compare_groups",
    "customer_history",
    "describe",
    "duplicate_groups",
    "erase_customer",
    "errors",
    "export_customer",
    "finalize_plan",
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
    "show_versions",
    "size_history",
    "snapshot_from_frames",
    "start_session",
    "subset_groups",
    "suppression_list_path",
    "tenant_status",
]

# What needs an extra, or few sessions need, comes on first use.
_LATER = {
    "Sandbox": ("frgroups.sandbox.sandbox", "Sandbox"),
    "export_customer": ("frgroups.privacy.subject_access", "export_customer"),
    "erase_customer": ("frgroups.privacy.erasure", "erase_customer"),
    "plot": ("frgroups.plot", None),
    "save_review": ("frgroups.review.writer", "save_review"),
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'frgroups' has no attribute {name!r}")
    module, attribute = _LATER[name]
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return sorted(__all__)
