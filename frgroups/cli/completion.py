"""Shell completion for bash, zsh, and fish."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class, shell_complete

from frgroups.cli.command import command
from frgroups.cli.options import json_option
from frgroups.cli.output import print_data, print_json_line

# Environment variable that the completion script sets to request completions.
COMPLETE_VARIABLE = "_FRGROUPS_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@command(
    "completion",
    example='eval "$(frgroups completion bash)"',
    more="To enable completion in bash, add the example to ~/.bashrc. For zsh, replace bash with zsh in "
    "the example and add the example to ~/.zshrc. For fish, save the printed script as "
    "~/.config/fish/completions/frgroups.fish.",
)
@click.argument("shell", type=click.Choice(SHELLS))
@json_option("Print the script in a JSON object.")
def completion(shell: str, as_json: bool) -> int:
    """Print the completion script for a shell."""
    completion_class = get_completion_class(shell)
    if completion_class is None:
        raise click.UsageError(f"Completion is not available for the shell {shell}.")
    root = click.get_current_context().find_root().command
    script = completion_class(root, {}, "frgroups", COMPLETE_VARIABLE).source()
    if as_json:
        print_json_line({"shell": shell, "script": script})
    else:
        print_data(script)
    return 0


def complete(root: click.Command, instruction: str) -> int:
    """
    Print the completions that the completion script requests, and return an exit code.

    Parameters
    ----------
    root
        Group of all commands.
    instruction
        Value of the variable `_FRGROUPS_COMPLETE`, for example "bash_complete".
    """
    return shell_complete(root, {}, "frgroups", COMPLETE_VARIABLE, instruction)
