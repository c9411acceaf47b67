"""Shell completion: the script for bash, zsh or fish, and the answers to the script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class, shell_complete

from frgroups.cli.command import command
from frgroups.cli.output import print_data

# The completion script sets this variable when it asks for completions.
COMPLETE_VARIABLE = "_FRGROUPS_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@command(
    "completion",
    example='eval "$(frgroups completion bash)"',
    more="In bash or zsh, add the example with the name of your shell to ~/.bashrc or ~/.zshrc. In fish, write the "
    "script to ~/.config/fish/completions/frgroups.fish.",
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> int:
    """Print the completion script of a shell."""
    completion_class = get_completion_class(shell)
    if completion_class is None:
        raise click.UsageError(f"click has no completion for {shell}.")
    root = click.get_current_context().find_root().command
    print_data(completion_class(root, {}, "frgroups", COMPLETE_VARIABLE).source())
    return 0


def complete(root: click.Command, instruction: str) -> int:
    """Answer the completion script, and return an exit code."""
    return shell_complete(root, {}, "frgroups", COMPLETE_VARIABLE, instruction)
