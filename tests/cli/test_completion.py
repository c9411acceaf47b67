"""Tests for shell completion in bash, zsh, and fish."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import frgroups
from frgroups.cli.command_table import COMMAND_HELP
from frgroups.cli.main import main

PACKAGE = Path(frgroups.__file__).parent


@pytest.fixture
def complete(monkeypatch, capsys):
    """Return a function that requests completions in the same way as a shell's completion script."""

    def request(shell, *words):
        monkeypatch.setenv("_FRGROUPS_COMPLETE", f"{shell}_complete")
        monkeypatch.setenv("COMP_WORDS", " ".join(["frgroups", *words]))
        monkeypatch.setenv("COMP_CWORD", words[-1] if shell == "fish" else str(len(words)))
        assert main([]) == 0
        return capsys.readouterr().out.splitlines()

    return request


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands(complete, shell):
    "A completion request returns the commands that start with the typed word. In zsh, each command has a help text."
    lines = complete(shell, "s")
    expected = sorted(name for name in COMMAND_HELP if name.startswith("s"))

    if shell == "zsh":
        assert lines[0::3] == ["plain"] * len(expected)
        assert sorted(lines[1::3]) == expected
        assert lines[2::3] == [COMMAND_HELP[name] for name in lines[1::3]]
    else:
        values = [line.removeprefix("plain,").split("\t")[0] for line in lines]
        assert sorted(values) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_options(complete, shell):
    "A completion request returns the options of a command, but not the former name of a renamed option."
    text = "\n".join(complete(shell, "plan", "--s"))

    assert "--skip-unresolved" in text and "--suppression-list" in text and "--sheet" in text
    assert "--never-add" not in text and "--table" not in text


def test_values(complete):
    "Choices, file names, folder names, and options after a list option are completed."
    assert complete("bash", "plan", "--mode", "k") == ["plain,keep_only"]
    assert complete("bash", "plan", "--list", "") == ["file,"]
    assert complete("bash", "table", "group_sizes", "--cache", "") == ["dir,"]
    assert complete("bash", "table", "overlap_m") == ["plain,overlap_matrix"]
    assert complete("bash", "show", "p") == ["file,p"]
    assert complete("bash", "completion", "z") == ["plain,zsh"]
    assert complete("bash", "-v", "load", "--tenant", "a", "b", "--al") == ["plain,--all"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script(capsys, shell):
    "The completion script runs frgroups with the environment variable _FRGROUPS_COMPLETE."
    assert main(["completion", shell]) == 0

    out = capsys.readouterr().out
    assert f"_FRGROUPS_COMPLETE={shell}_complete" in out and "_frgroups_completion" in out


def test_unknown_shell(monkeypatch):
    "A completion request from an unknown shell returns exit code 1."
    monkeypatch.setenv("_FRGROUPS_COMPLETE", "tcsh_complete")

    assert main([]) == 1


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["st"], "status"),
        (["appr"], "approve"),
        (["apply", "--fin"], "--finalize"),
        (["plan", "--mode", "mir"], "mirror"),
    ],
)
def test_bash(words, expected, tmp_path, capsys):
    "The printed completion script completes command names in bash."
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "frgroups.bash"
    script.write_text(capsys.readouterr().out)
    program = tmp_path / "bin" / "frgroups"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m frgroups "$@"\n')
    program.chmod(0o755)
    quoted = " ".join(f"'{word}'" for word in ["frgroups", *words])
    lines = [
        f"source '{script}'",
        f"COMP_WORDS=({quoted})",
        f"COMP_CWORD={len(words)}",
        "_frgroups_completion frgroups",
        'echo "${COMPREPLY[@]}"',
        "complete -p frgroups",
    ]

    shell = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(PACKAGE.parent)},
    )

    replies, registered = shell.stdout.splitlines()
    assert replies == expected
    assert "_frgroups_completion" in registered
