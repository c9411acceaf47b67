"""Options of the commands `frgroups table NAME`. Each option is passed to the table's function as an argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from frgroups.cli.command import ListOption
from frgroups.cli.options import attribute_file_option, consent_option, json_option, table_file_options
from frgroups.cli.types import COUNT_PAIR, NONEMPTY_TEXT, PAIR, SHARE_PAIR, TIMESTAMP, IntegerRange, NumberRange

Decorator = Callable[[Callable[..., int]], Callable[..., int]]

_CHANNELS = ("email", "mobile")


def groups_option(name: str = "groups", flag: str = "--group", help_text: str = "") -> Decorator:
    """Return an option that accepts one or more groups."""
    return click.option(
        flag,
        name,
        cls=ListOption,
        type=NONEMPTY_TEXT,
        metavar="GROUP...",
        required=flag == "--include",
        help=help_text or "Uids or unique names of the groups. The default is all groups.",
    )


def versus_option(*, required: bool = False) -> Decorator:
    """Return the option `--versus`, which selects the customers with which a group is compared."""
    help_text = "Uid or unique name of the group to compare with."
    options: dict[str, Any] = {"type": NONEMPTY_TEXT, "metavar": "GROUP"}
    if required:
        return click.option("--versus", required=True, help=help_text, **options)
    help_text += ' "rest" is all other customers, and "all" is all customers.'
    return click.option("--versus", default="rest", help=help_text, **options)


def share_option(flag: str, default: float, help_text: str) -> Decorator:
    """Return an option whose value is a number from 0 to 1."""
    return click.option(flag, type=NumberRange(0, 1), default=default, metavar="SHARE", help=help_text)


def number_option(flag: str, default: int, help_text: str) -> Decorator:
    """Return an option whose value is a nonnegative integer."""
    return click.option(flag, type=IntegerRange(min=0), default=default, metavar="N", help=help_text)


def choice_option(flag: str, choices: tuple[str, ...], help_text: str) -> Decorator:
    """Return an option that accepts one of several words. The first word is the default."""
    return click.option(flag, type=click.Choice(choices), default=choices[0], help=help_text)


def sort_option(columns: tuple[str, ...]) -> Decorator:
    """Return the option `--sort`, which selects the column by which the table is sorted."""
    return click.option(
        "--sort",
        "sort_column",
        type=click.Choice(columns),
        default=columns[0],
        help="Sort by this column, highest first.",
    )


def output_options(top: int | None) -> list[Decorator]:
    """Return the options that select the printed rows and columns, and the file formats."""
    default = f"The default is {top}." if top else "By default, all rows are shown."
    return [
        click.option(
            "--top",
            type=IntegerRange(min=1),
            default=top,
            show_default=False,
            metavar="N",
            help=f"Show only the first N rows. {default} Files and JSON contain all rows.",
        ),
        click.option("--all-columns", is_flag=True, help="Show all columns, including those that do not fit."),
        table_file_options,
        json_option("Print the complete table as one JSON object."),
    ]


def members_option(name: str) -> Decorator:
    """Return the option `--members`, whose value is a group expression."""
    return click.option(
        "--members",
        name,
        required=True,
        type=NONEMPTY_TEXT,
        metavar="EXPRESSION",
        help='Group expression that selects customers, for example "VIP & loyalty - staff".',
    )


UNIVERSE: Decorator = click.option(
    "--universe",
    type=IntegerRange(min=1),
    metavar="N",
    help="The retailer's total number of customers, which the API does not report.",
)
ONE_GROUP: Decorator = click.option(
    "--group", required=True, type=NONEMPTY_TEXT, metavar="GROUP", help="Uid or unique name of the group."
)
ATTRIBUTES: Decorator = click.option(
    "--attribute",
    "attributes",
    cls=ListOption,
    type=NONEMPTY_TEXT,
    metavar="NAME...",
    help="Customer attributes to compare, for example country_code. The default is a list of useful attributes.",
)
MIN_COUNT: Decorator = click.option(
    "--min-count",
    type=IntegerRange(min=0),
    default=5,
    metavar="N",
    help="Suppress counts from 1 to N-1. The value 0 disables the suppression.",
)
INCLUSIVE: Decorator = click.option(
    "--inclusive",
    "mode",
    is_flag=True,
    callback=lambda _ctx, _param, value: "inclusive" if value else "exclusive",
    help="Count all customers who are in the groups of a combination. By default, customers who are also in "
    "another selected group are not counted.",
)
CHANNEL: Decorator = choice_option(
    "--channel",
    _CHANNELS,
    "Channel through which the customers are contacted. The channel mobile means text messages (SMS).",
)
CHANNELS: Decorator = click.option(
    "--channel",
    "channels",
    cls=ListOption,
    type=click.Choice(_CHANNELS),
    default=_CHANNELS,
    help="Channels through which the customers are contacted. The channel mobile means text messages (SMS).",
)
CONSENT: Decorator = consent_option
ATTRIBUTE_FILE: Decorator = attribute_file_option
SINCE: Decorator = click.option(
    "--since",
    type=TIMESTAMP,
    metavar="DATE",
    help="Compare with the newest snapshot taken on or before this date. The default is the previous snapshot.",
)
CUSTOMER: Decorator = click.option(
    "--customer", "customer_uid", required=True, type=NONEMPTY_TEXT, metavar="UID", help="Uid of the customer."
)
MEMBERS: Decorator = members_option("expression")
RULE: Decorator = click.option(
    "--rule",
    "rules",
    required=True,
    multiple=True,
    type=PAIR,
    metavar="GROUP=RULE",
    help="Rule that selects the customers for a group, for example \"vip_no=country_code == 'NO'\". This option "
    "can be repeated.",
)
SPLIT: tuple[Decorator, ...] = (
    click.option(
        "--members",
        "expression",
        type=NONEMPTY_TEXT,
        metavar="EXPRESSION",
        help="Group expression that selects the customers. The default is all customers in the snapshot.",
    ),
    click.option(
        "--arm",
        "shares",
        required=True,
        multiple=True,
        type=SHARE_PAIR,
        metavar="NAME=SHARE",
        help="Name and share of an arm, for example mail=0.9. The shares must sum to 1. This option can be repeated.",
    ),
    click.option(
        "--seed",
        required=True,
        type=NONEMPTY_TEXT,
        metavar="TEXT",
        help="Text that determines the random split, such as the campaign name. A different seed results in a "
        "different split.",
    ),
    click.option(
        "--control",
        type=NONEMPTY_TEXT,
        default="control",
        metavar="NAME",
        help="Arm that receives no campaign. The default is control.",
    ),
    click.option(
        "--strata",
        cls=ListOption,
        type=NONEMPTY_TEXT,
        metavar="COLUMN...",
        help="Customer columns that define strata, for example country_code. They affect the arms only with --exact.",
    ),
    click.option(
        "--exact",
        is_flag=True,
        help="Make the number of customers in each arm exact within each stratum.",
    ),
)
# Options of the tables `waterfall` and `waterfall_summary`.
WATERFALL: tuple[Decorator, ...] = (
    click.option(
        "--audience",
        "audiences",
        required=True,
        multiple=True,
        type=PAIR,
        metavar="NAME=EXPRESSION",
        help="Name of an audience and the group expression that selects its customers. This option can be repeated. "
        "The first audience has the highest priority.",
    ),
    click.option(
        "--cap",
        "caps",
        multiple=True,
        type=COUNT_PAIR,
        metavar="NAME=N",
        help="Maximum number of customers in an audience. This option can be repeated.",
    ),
    click.option(
        "--order-by",
        type=NONEMPTY_TEXT,
        metavar="COLUMN",
        help="Customer column with numbers or dates. If an audience has a cap, the customers with the largest values "
        "remain. By default, the customers with the first uids remain.",
    ),
    click.option(
        "--exclude",
        type=NONEMPTY_TEXT,
        metavar="EXPRESSION",
        help="Group expression that selects the customers to exclude from all audiences.",
    ),
)
