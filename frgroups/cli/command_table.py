"""Commands of `frgroups` in workflow order, with one line of help for each."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command in the list of commands: its name, "module:function" of its code, and one line of help."""

    name: str
    target: str
    help: str

    def load(self) -> click.Command:
        """Import the module of the command and return the command."""
        module, _, function = self.target.partition(":")
        loaded: click.Command = getattr(import_module(f"frgroups.cli.{module}"), function)
        return loaded


SECTIONS: dict[str, tuple[CommandEntry, ...]] = {
    "Connect and load": (
        CommandEntry("doctor", "doctor:doctor", "Check the connection, the token and the server's paging"),
        CommandEntry("load", "load:load", "Read all groups and members and store a snapshot"),
        CommandEntry("status", "load:status", "Show the age, verdict and size of the newest snapshots"),
    ),
    "Analyze a stored snapshot": (
        CommandEntry("sizes", "analyze:sizes", "Show the size of each group and its exclusive members"),
        CommandEntry("overlap", "analyze:overlap", "Show the pairs of groups that overlap most"),
        CommandEntry("health", "analyze:health", "Show problems found in the groups and suggested actions"),
        CommandEntry("changes", "analyze:changes", "Compare two snapshots"),
        CommandEntry("who", "who:who", "Show the groups of a customer and the plans behind them"),
    ),
    "Plan, review and apply changes": (
        CommandEntry("plan", "plan:plan", "Plan changes from a list of customers; send nothing"),
        CommandEntry("show", "plan:show", "Show a plan or a receipt"),
        CommandEntry("review", "plan:review", "Write a review as HTML, Markdown, text, CSV or Excel"),
        CommandEntry("approve", "apply:approve", "Approve or reject a plan"),
        CommandEntry("apply", "apply:apply", "Send an approved plan, verify it and write a receipt"),
        CommandEntry("undo", "apply:undo", "Plan the reverse of the changes in a receipt"),
    ),
    "Personal data": (
        CommandEntry(
            "erase-customer",
            "privacy:erase_customer",
            "Erase a customer from all files; a dry run without --yes",
        ),
        CommandEntry("export-customer", "privacy:export_customer", "Export all stored data of a customer as JSON"),
    ),
    "Try frgroups on made-up data": (
        CommandEntry("demo", "demo:demo", "Run the complete workflow in a local tenant"),
        CommandEntry("sandbox", "sandbox:sandbox", "Serve a local tenant with the documented API"),
        CommandEntry("notebooks", "sandbox:notebooks", "Start JupyterLab on the notebooks, with a sandbox"),
    ),
    "Shell": (
        CommandEntry("completion", "completion:completion", "Print the completion script for bash, zsh or fish"),
    ),
}
COMMAND_HELP = {entry.name: entry.help for entries in SECTIONS.values() for entry in entries}
RENAMED_COMMANDS = {"forget": "erase-customer"}
