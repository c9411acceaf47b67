"""What the README says runs as written."""

import re
from pathlib import Path

import pytest

from frgroups.cli.main import EXIT_CODES

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=["no tenant", "sandbox", "questions", "how sure", "kept"])
def test_the_sessions_run_as_written(block, capsys, monkeypatch):
    "Each Python block of the README runs from a fresh start, and a terminal of 80 columns shows what it prints."
    monkeypatch.setenv("COLUMNS", "80")

    exec(compile(block, "README.md", "exec"), {})

    out = capsys.readouterr().out
    assert out and " ... " not in out


def test_the_exit_codes_are_those_of_the_command():
    "README and --help tell the same table."
    told = dict(re.findall(r"^\| (\d+) \| (.*?) \|$", README, re.M))

    assert {int(code): text.replace("`", "") for code, text in told.items()} == EXIT_CODES


def test_the_pictures_are_there():
    "Each picture that the README shows is in the repository."
    missing = [
        name for name in re.findall(r"!\[.*?\]\((.*?)\)", README) if not (Path(__file__).parents[1] / name).exists()
    ]

    assert missing == []
