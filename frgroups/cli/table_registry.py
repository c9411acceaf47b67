"""
List of the tables that `frgroups table` prints, with the question that each table answers.

This module imports no analysis function, so that help pages and shell completion are fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from frgroups.cli import table_options as options
from frgroups.cli.options import register_option
from frgroups.cli.table_options import Decorator


@dataclass(frozen=True, slots=True)
class TableEntry:
    """
    Entry for one table in the list of tables.

    Attributes
    ----------
    name
        Name of the table, which is the name of the function that computes it.
    question
        Question that the table answers.
    function
        Module in `frgroups` that contains the function.
    options
        Decorators that add the options of the table. Each value is passed to the function.
    source
        Data that the function needs: one snapshot, two snapshots, or all stored snapshots.
    columns
        Columns to print, the most important one first. () prints all columns.
    sort
        Columns for the option `--sort`. The first one is the default. () keeps the order of the function.
    top
        Number of rows to print. None prints all rows.
    example
        Options that the example on the help page contains.
    note
        Definitions of columns for the help page.
    """

    name: str
    question: str
    function: str
    options: tuple[Decorator, ...] = ()
    source: Literal["snapshot", "comparison", "history"] = "snapshot"
    columns: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    top: int | None = 20
    example: str = ""
    note: str | None = None


_PAIR = ("name_a", "name_b", "n_a", "n_b", "n_both")
_PROFILE = ("attribute", "value", "share_in", "share_ref", "index", "effect_size", "q_value", "n_in", "n_ref")
_JACCARD = (
    "The Jaccard index is the number of customers in both groups (n_both) divided by the number of customers in at "
    "least one of the groups."
)

TABLES: tuple[TableEntry, ...] = (
    TableEntry(
        "group_sizes",
        "How large is each group, and how many members are in no other group?",
        "analysis.sizes",
        (options.UNIVERSE,),
        columns=(
            *("name", "customer_group_uid", "n_members", "n_exclusive", "share_exclusive", "share_of_customers"),
            "share_of_universe",
        ),
        sort=("n_members", "n_exclusive", "share_exclusive"),
        top=None,
        example="--csv sizes.csv",
        note="The column n_exclusive contains the number of members who are in no other group.",
    ),
    TableEntry(
        "groups_per_customer",
        "How many customers are in one, two, or more groups?",
        "analysis.sizes",
        (options.UNIVERSE,),
        top=None,
    ),
    TableEntry(
        "overlap_pairs",
        "Which pairs of groups have the most members in common?",
        "analysis.overlap",
        (
            options.groups_option(),
            options.number_option("--min-both", 1, "Include only pairs with at least N members in common."),
            options.UNIVERSE,
        ),
        columns=(*_PAIR, "jaccard", "share_of_a", "share_of_b", "lift", "q_value"),
        sort=("jaccard", "n_both", "overlap_coefficient", "lift"),
        example="--top 20 --sort n_both",
        note=f"{_JACCARD} The overlap coefficient is n_both divided by the size of the smaller group. The lift is "
        "n_both divided by the number that is expected if the two groups are independent. The columns from expected "
        "on require --universe.",
    ),
    TableEntry(
        "overlap_matrix",
        "How large is the overlap of each pair of groups, as a matrix?",
        "analysis.overlap",
        (
            options.groups_option(),
            options.choice_option(
                "--measure",
                ("count", "jaccard", "share", "overlap_coefficient", "lift", "phi", "pmi"),
                "Value of each cell.",
            ),
            options.UNIVERSE,
        ),
        top=None,
        example="--group VIP Staff --measure jaccard",
    ),
    TableEntry(
        "intersections",
        "How many customers are in each combination of groups?",
        "analysis.intersections",
        (
            options.groups_option(),
            options.INCLUSIVE,
        ),
        columns=("groups", "degree", "n", "share"),
        example="--group VIP Staff loyalty",
    ),
    TableEntry(
        "region_members",
        "Which customers are in some groups and not in others?",
        "analysis.intersections",
        (
            options.groups_option("include", "--include", "Groups in which the customers are members."),
            options.groups_option("exclude", "--exclude", "Groups in which the customers are not members."),
        ),
        example="--include VIP loyalty --exclude Staff",
    ),
    TableEntry(
        "duplicate_groups",
        "Which groups have the same, or nearly the same, members?",
        "analysis.duplicates",
        (options.share_option("--min-jaccard", 1.0, "Smallest Jaccard index of a pair. 1 means the same members."),),
        columns=(*_PAIR, "jaccard"),
        example="--min-jaccard 0.9",
        note=_JACCARD,
    ),
    TableEntry(
        "subset_groups",
        "Which groups are contained, or nearly contained, in another group?",
        "analysis.duplicates",
        (
            options.share_option(
                "--min-share", 1.0, "Minimum share of a group's members who must also be in the other group."
            ),
        ),
        columns=(*_PAIR, "share_of_a"),
        example="--min-share 0.95",
    ),
    TableEntry(
        "group_clusters",
        "Which groups form clusters with similar members?",
        "analysis.clusters",
        (
            options.choice_option("--measure", ("jaccard", "overlap_coefficient"), "Similarity of two groups."),
            options.choice_option("--method", ("average", "complete", "single", "weighted"), "Linkage method."),
            options.share_option("--cut", 0.5, "Distance at which the tree of groups is cut into clusters."),
        ),
        columns=("cluster", "name", "n_members", "customer_group_uid"),
        top=None,
        example="--cut 0.7",
    ),
    TableEntry(
        "set_cover",
        "Which few groups together contain a given share of the customers?",
        "analysis.set_cover",
        (
            options.groups_option(),
            options.share_option("--target", 1.0, "Share of the customers that the groups must contain."),
        ),
        columns=("step", "name", "n_new", "n_cumulative", "share_cumulative", "customer_group_uid"),
        example="--target 0.9",
    ),
    TableEntry(
        "health_report",
        "Which problems do the groups have?",
        "analysis.health",
        (
            register_option(),
            options.share_option("--min-jaccard", 0.9, "Smallest Jaccard index of near duplicates."),
            options.number_option("--tiny", 5, "Report groups with fewer than N members."),
        ),
        columns=("severity", "finding", "name", "n", "evidence"),
        top=30,
        example="--register register.csv --xlsx findings.xlsx",
    ),
    TableEntry(
        "group_profile",
        "How do the customers of a group differ from other customers?",
        "analysis.profile",
        (
            options.ONE_GROUP,
            options.versus_option(),
            options.ATTRIBUTES,
            options.MIN_COUNT,
        ),
        columns=_PROFILE,
        example="--group VIP --attribute country_code",
        note="The index is 100 if the share in the group (share_in) is equal to the share in the reference.",
    ),
    TableEntry(
        "compare_groups",
        "How do the customers of two groups differ?",
        "analysis.profile",
        (
            options.ONE_GROUP,
            options.versus_option(required=True),
            options.ATTRIBUTES,
            options.MIN_COUNT,
        ),
        columns=_PROFILE,
        example="--group VIP --versus loyalty",
        note="Customers who are in both groups are not counted.",
    ),
    TableEntry(
        "reachability",
        "How many members of each group may be contacted?",
        "analysis.reach",
        (
            options.groups_option(),
            options.CHANNELS,
            options.CONSENT,
            options.MIN_COUNT,
        ),
        columns=("name", "channel", "n_members", "n_reachable", "share_reachable", "n_with_contact", "n_consented"),
        top=40,
        example="--group VIP --channel email",
        note="Counts below --min-count, and counts from which they could be calculated, are suppressed. A suppressed "
        "count is printed as a hyphen.",
    ),
    TableEntry(
        "incremental_reach",
        "How many customers does each further group add to those who may be contacted?",
        "analysis.reach",
        (
            options.groups_option(),
            options.CHANNEL,
            options.CONSENT,
            options.share_option("--target", 1.0, "Share of the customers that the groups must contain."),
            options.choice_option(
                "--order", ("greedy", "given"), "greedy: largest addition first. given: the order of --group."
            ),
        ),
        columns=("step", "name", "n_reachable", "n_new", "n_cumulative", "share_cumulative"),
        example="--channel email --target 0.9",
    ),
    TableEntry(
        "reachable_customers",
        "Which customers may be contacted through a channel?",
        "analysis.reach",
        (options.members_option("groups"), options.CHANNEL, options.CONSENT),
        example='--members "VIP & loyalty" --csv mail.csv',
    ),
    TableEntry(
        "campaign_reach",
        "How many members does each campaign have, and how many get a larger discount elsewhere?",
        "analysis.campaigns",
        (register_option(required=True),),
        columns=("name", "discount_percent", "n_members", "n_shadowed", "n_effective", "shadowed_by", "campaign_uid"),
        example="--register register.csv",
    ),
    TableEntry(
        "group_changes",
        "How many customers joined and left each group between two snapshots?",
        "analysis.changes",
        (options.SINCE,),
        source="comparison",
        columns=("name", "n_old", "n_joined", "n_left", "n_new", "net", "growth_rate", "churn_rate", "status"),
        top=None,
        example="--since 2026-11-01",
        note="Groups without changes are not shown. Files and JSON contain them.",
    ),
    TableEntry(
        "membership_changes",
        "Which customers joined or left a group between two snapshots?",
        "analysis.changes",
        (options.SINCE,),
        source="comparison",
        top=50,
        example="--since 2026-11-01 --csv changes.csv",
    ),
    TableEntry(
        "group_flow",
        "Between which groups did customers move from one snapshot to another?",
        "analysis.flow",
        (
            options.SINCE,
            options.groups_option(),
            options.groups_option(
                "priority", "--priority", "Groups in order of importance, for customers who are in several groups."
            ),
        ),
        source="comparison",
        columns=("from_name", "to_name", "n", "share_of_from"),
        sort=("n", "share_of_from"),
        example='--priority "VIP Gold" VIP "Loyalty club"',
    ),
    TableEntry(
        "size_history",
        "How did the size of each group develop over the stored snapshots?",
        "history.size_history",
        (options.groups_option(),),
        source="history",
        columns=("taken_at", "name", "n_members", "n_joined", "n_left", "status", "verdict"),
        top=50,
        example="--group VIP",
    ),
    TableEntry(
        "customer_history",
        "How did the groups of a customer change, and which plans caused the changes?",
        "history.customer_history",
        (options.CUSTOMER,),
        source="history",
        columns=("before", "change", "name", "plan_digest", "plan_state", "approved_by", "purpose"),
        top=50,
        example="--customer UID",
    ),
    TableEntry(
        "members",
        "Which customers match a group expression?",
        "analysis.group_expressions",
        (options.MEMBERS,),
        example='--members "VIP & loyalty - staff" --csv vip.csv',
    ),
    TableEntry(
        "segment",
        "Which customers match a rule over their attributes?",
        "analysis.segments",
        (options.RULE, options.CONSENT, options.ATTRIBUTE_FILE),
        example="--rule \"vip_no=country_code == 'NO'\" --csv vip_no.csv",
    ),
    TableEntry(
        "split_customers",
        "Which customers receive a campaign, and which are in its control group?",
        "analysis.customer_split",
        options.SPLIT,
        example="--arm mail=0.9 --arm control=0.1 --seed spring",
        note="The arm of a customer depends only on the seed, the uid, and the shares. With --exact, it also depends "
        "on the other customers.",
    ),
    TableEntry(
        "waterfall",
        "Which customers are in each audience, if each customer is in at most one audience?",
        "analysis.waterfall",
        options.WATERFALL,
        example="--audience Gold=VIP --audience Rest=loyalty",
    ),
    TableEntry(
        "waterfall_summary",
        "How many customers does each audience request, and how many remain?",
        "analysis.waterfall",
        options.WATERFALL,
        columns=("audience", "n_requested", "n_remaining", "n_excluded", "n_earlier", "n_over_cap", "cap"),
        top=None,
        example="--audience Gold=VIP --cap Gold=200",
        note="The column n_earlier is the number of customers who are assigned to an earlier audience.",
    ),
)
