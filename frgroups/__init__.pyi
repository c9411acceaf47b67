"""Public names of frgroups. `__init__.py` imports each name on first use."""

from . import errors as errors
from . import plot as plot
from .analysis.campaigns import campaign_reach as campaign_reach
from .analysis.changes import group_changes as group_changes
from .analysis.changes import membership_changes as membership_changes
from .analysis.clusters import group_clusters as group_clusters
from .analysis.customer_split import split_customers as split_customers
from .analysis.describe import describe as describe
from .analysis.duplicates import duplicate_groups as duplicate_groups
from .analysis.duplicates import subset_groups as subset_groups
from .analysis.flow import group_flow as group_flow
from .analysis.group_expressions import members as members
from .analysis.health import health_report as health_report
from .analysis.intersections import intersections as intersections
from .analysis.intersections import region_members as region_members
from .analysis.lift import measure_lift as measure_lift
from .analysis.overlap import overlap_matrix as overlap_matrix
from .analysis.overlap import overlap_pairs as overlap_pairs
from .analysis.profile import compare_groups as compare_groups
from .analysis.profile import group_profile as group_profile
from .analysis.reach import incremental_reach as incremental_reach
from .analysis.reach import reachability as reachability
from .analysis.reach import reachable_customers as reachable_customers
from .analysis.register import read_register as read_register
from .analysis.segments import segment as segment
from .analysis.set_cover import set_cover as set_cover
from .analysis.sizes import group_sizes as group_sizes
from .analysis.sizes import groups_per_customer as groups_per_customer
from .analysis.split_balance import split_balance as split_balance
from .analysis.waterfall import waterfall as waterfall
from .analysis.waterfall import waterfall_summary as waterfall_summary
from .api.client import Client as Client
from .api.connection_check import Check as Check
from .api.schema.records import Customer as Customer
from .api.schema.records import Group as Group
from .apply.executor import apply_plan as apply_plan
from .apply.executor import finalize_plan as finalize_plan
from .apply.plan_list import list_plans as list_plans
from .apply.plan_review import save_review as save_review
from .apply.receipt import Receipt as Receipt
from .apply.receipt import read_receipt as read_receipt
from .apply.undo import plan_undo as plan_undo
from .apply.window_override import override_windows as override_windows
from .apply.windows_file import apply_windows_path as apply_windows_path
from .apply.write_capabilities import WriteCapabilities as WriteCapabilities
from .apply.write_probe import probe_writes as probe_writes
from .engines.scan import scan_memberships as scan_memberships
from .errors import FrgroupsError as FrgroupsError
from .history.customer_history import customer_history as customer_history
from .history.size_history import size_history as size_history
from .internals.base_urls import PRODUCTION as PRODUCTION
from .internals.base_urls import STAGE as STAGE
from .internals.paths import home as home
from .internals.structured_logging import log_json as log_json
from .internals.versions import __version__ as __version__
from .internals.versions import show_versions as show_versions
from .load.loader import load_snapshot as load_snapshot
from .load.loader import refresh_groups as refresh_groups
from .load.tenant_status import tenant_status as tenant_status
from .plan.declaration_writer import declare_groups as declare_groups
from .plan.declared_group import DeclaredGroups as DeclaredGroups
from .plan.declared_groups_file import read_declared_groups as read_declared_groups
from .plan.declared_planner import plan_declared as plan_declared
from .plan.finding import Finding as Finding
from .plan.holdout_entries import holdout_entries as holdout_entries
from .plan.limits import Limits as Limits
from .plan.limits_file import read_limits as read_limits
from .plan.plan import Plan as Plan
from .plan.plan_file import read_plan as read_plan
from .plan.planner import plan_memberships as plan_memberships
from .plan.suppression_list import suppression_list_path as suppression_list_path
from .plan.suppression_updates import add_suppression_entries as add_suppression_entries
from .privacy.erasure import erase_customer as erase_customer
from .privacy.subject_access import export_customer as export_customer
from .report.report import save_report as save_report
from .report.save_table import save_table as save_table
from .report.show import show as show
from .review.approval import approve_plan as approve_plan
from .review.approval_policy import Policy as Policy
from .review.approval_policy import read_policy as read_policy
from .review.rejections import withdraw_rejection as withdraw_rejection
from .sandbox.sandbox import Sandbox as Sandbox
from .session import Session as Session
from .session import start_session as start_session
from .snapshot.customer_lists import read_list as read_list
from .snapshot.from_frames import sample_snapshot as sample_snapshot
from .snapshot.from_frames import snapshot_from_frames as snapshot_from_frames
from .snapshot.id_resolution import resolve_customers as resolve_customers
from .snapshot.snapshot import Snapshot as Snapshot
from .store.retention import cache_info as cache_info
from .store.retention import list_snapshots as list_snapshots
from .store.retention import prune as prune
from .store.snapshot_store import read_snapshot as read_snapshot
from .store.snapshot_store import save_snapshot as save_snapshot

__all__ = [
    "PRODUCTION",
    "STAGE",
    "Check",
    "Client",
    "Customer",
    "DeclaredGroups",
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
    "add_suppression_entries",
    "apply_plan",
    "apply_windows_path",
    "approve_plan",
    "cache_info",
    "campaign_reach",
    "compare_groups",
    "customer_history",
    "declare_groups",
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
    "holdout_entries",
    "home",
    "incremental_reach",
    "intersections",
    "list_plans",
    "list_snapshots",
    "load_snapshot",
    "log_json",
    "measure_lift",
    "members",
    "membership_changes",
    "overlap_matrix",
    "overlap_pairs",
    "override_windows",
    "plan_declared",
    "plan_memberships",
    "plan_undo",
    "plot",
    "probe_writes",
    "prune",
    "reachability",
    "reachable_customers",
    "read_declared_groups",
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
    "save_report",
    "save_review",
    "save_snapshot",
    "save_table",
    "scan_memberships",
    "segment",
    "set_cover",
    "show",
    "show_versions",
    "size_history",
    "snapshot_from_frames",
    "split_balance",
    "split_customers",
    "start_session",
    "subset_groups",
    "suppression_list_path",
    "tenant_status",
    "waterfall",
    "waterfall_summary",
    "withdraw_rejection",
]
