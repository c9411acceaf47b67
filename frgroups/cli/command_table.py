"""List of the `frgroups` commands in workflow order, with one line of help for each command."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """
    Entry for one command in the list of `frgroups` commands.

    Attributes
    ----------
    name
        Name on the command line.
    target
        Module in `frgroups.cli` and function, as "module:function".
    help
        One line of help, without a period.
    """

    name: str
    target: str
    help: str

    def load(self) -> click.Command:
        """Import the module that defines the command and return the command."""
        module, _, function = self.target.partition(":")
        loaded: click.Command = getattr(import_module(f"frgroups.cli.{module}"), function)
        return loaded


SECTIONS: dict[str, tuple[CommandEntry, ...]] = {
    "Connect and load": (
        CommandEntry("doctor", "doctor:doctor", "Check the connection, the token, and the server's paging"),
        CommandEntry("load", "load:load", "Read all groups and their members and store a snapshot"),
        CommandEntry("status", "load:status", "Show the age, verdict, and size of the newest snapshots"),
        CommandEntry("prune", "prune:prune", "Delete old stored snapshots (dry run without --yes)"),
    ),
    "Analyze a stored snapshot": (
        CommandEntry("table", "table:table", "Show or export a table of sizes, overlaps, or changes"),
        CommandEntry("health", "analyze:health", "Show problems found in the groups and suggested actions"),
        CommandEntry("report", "report:report", "Write a report on the groups as one HTML file"),
        CommandEntry("who", "who:who", "Show a customer's groups and the plans that changed them"),
    ),
    "Plan, review, and apply changes": (
        CommandEntry("declare", "declare:declare", "Write a file that declares the members of groups"),
        CommandEntry("plan", "plan:plan", "Create a plan that changes the members of groups"),
        CommandEntry("plans", "plans:plans", "List the plans with their states and the next commands"),
        CommandEntry("show", "plan:show", "Show the contents of a plan or a receipt"),
        CommandEntry("review", "plan:review", "Write a plan's review as HTML, Markdown, CSV, or Excel"),
        CommandEntry("approve", "apply:approve", "Approve or reject a plan"),
        CommandEntry("withdraw", "apply:withdraw", "Withdraw the rejection of a plan"),
        CommandEntry("override", "override:override", "Write an override of a freeze for one plan"),
        CommandEntry("apply", "apply:apply", "Send the changes of an approved plan and verify them"),
        CommandEntry("undo", "apply:undo", "Create a plan that undoes the changes in a receipt"),
    ),
    "Personal data": (
        CommandEntry(
            "erase-customer",
            "privacy:erase_customer",
            "Erase a customer from stored files (dry run without --yes)",
        ),
        CommandEntry("export-customer", "privacy:export_customer", "Export all stored data of a customer as JSON"),
    ),
    "Try frgroups with sample data": (
        CommandEntry("demo", "demo:demo", "Run the complete workflow in a local tenant (sandbox)"),
        CommandEntry("sandbox", "sandbox:sandbox", "Run a local tenant (sandbox) with synthetic customers"),
        CommandEntry("notebooks", "sandbox:notebooks", "Open the example notebooks with a local tenant (sandbox)"),
    ),
    "Shell": (
        CommandEntry("completion", "completion:completion", "Print the completion script for bash, zsh, or fish"),
    ),
}
COMMAND_HELP = {entry.name: entry.help for entries in SECTIONS.values() for entry in entries}
RENAMED_COMMANDS = {
    "forget": "erase-customer",
    "sizes": "table group_sizes",
    "overlap": "table overlap_pairs",
    "changes": "table group_changes",
}
