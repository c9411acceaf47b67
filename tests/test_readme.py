"""Tests for the code, commands, and names in the README and in the documentation pages."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pandas as pd
import pytest

import frgroups as fg
from frgroups.cli.main import EXIT_CODES, root_group

PROJECT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(PROJECT)): path.read_text(encoding="utf-8")
    for path in (PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md")))
}
TEXT = "\n".join(PAGES.values())
BLOCKS = [
    pytest.param(block, id=f"{name}-{number}")
    for name, text in PAGES.items()
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.S), 1)
    if "from_config" not in block  # `test_multiple_tenants` runs these blocks.
]
# Each item is a command in a console block, with the command's output.
SESSION = [
    (command, output.strip())
    for block in re.findall(r"```console\n(.*?)```", PAGES["README.md"], re.S)
    for command, output in re.findall(r"^\$ (.*?)\n(.*?)(?=^\$ |\Z)", block, re.S | re.M)
]
# The documentation contains code in console and bash blocks, and between backticks.
CODE = (
    [command for command, _ in SESSION]
    + [
        line
        for block in re.findall(r"```bash\n(.*?)```", TEXT, re.S)
        for line in block.replace("\\\n", "").splitlines()
    ]
    + re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.S))
)
EXAMPLES = sorted({text for text in CODE if text.startswith("frgroups ")})


@pytest.mark.parametrize("block", BLOCKS)
def test_python_blocks(block, capsys, monkeypatch):
    "Each Python block in the documentation runs separately and prints output without truncated columns."
    if "import duckdb" in block:
        pytest.importorskip("duckdb")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(PROJECT)

    exec(compile(block, "README.md", "exec"), {})

    out = capsys.readouterr().out
    assert out and " ... " not in out


def test_multiple_tenants(home_folder, capsys):
    "The example for multiple tenants prints the size of the group in each tenant at its host."
    tables = []
    for name in ("sport_no", "sport_se"):
        host = f"https://{name.replace('_', '-')}.example/v2"
        tables.append(f'[{name}]\ntenant_uid = "t-1"\nhost = "{host}"\ntoken_command = ["x"]\n')
        uids = [f"c-{n}" for n in range(len(tables))]
        memberships = pd.DataFrame({"customer_group_uid": "vip", "customer_uid": uids})
        groups = pd.DataFrame({"customer_group_uid": ["vip"], "name": ["VIP"]})
        fg.save_snapshot(
            fg.snapshot_from_frames(
                memberships, groups, tenant_uid="t-1", base_url=host, taken_at="2026-11-23T08:00Z"
            )
        )
    (home_folder / "tenants.toml").write_text("\n".join(tables))
    (home_folder / "tenants.toml").chmod(0o600)
    [block] = re.findall(r"```python\n([^`]*from_config.*?)```", PAGES["docs/multiple-tenants.md"], re.S)

    exec(compile(block, "multiple-tenants.md", "exec"), {})

    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(row[1], row[3]) for row in rows] == [("sport_no", "1"), ("sport_se", "2")]


def without_variable_parts(text):
    """Replace folders, digests, timestamps, and ports in a text, because these parts differ between runs."""
    text = re.sub(r"(?<![\w:/])(?:[\w.%@-]*/)+(?=[\w.-]+)", "", text)
    text = re.sub(r"\d{8}T\d+Z", "TIMESTAMP", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIMESTAMP", text)
    text = re.sub(r"\b[0-9a-f]{12,64}\b", "DIGEST", text)
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)


def test_example_output(capsys, monkeypatch):
    "The first Python block in the README prints the text block that follows it."
    example, output = re.search(r"```python\n(.*?)```\s*```text\n(.*?)```", PAGES["README.md"], re.S).groups()
    monkeypatch.setenv("COLUMNS", "80")

    exec(compile(example, "README.md", "exec"), {})

    assert without_variable_parts(capsys.readouterr().out) == without_variable_parts(output)


@pytest.mark.slow
def test_terminal_session(tmp_path):
    "Each command in the README prints the documented output, in which a line with three dots matches any lines."
    with fg.Sandbox(customers=2000, process=True) as sandbox:
        env = os.environ | {
            "FRGROUPS_TENANT_UID": sandbox.tenant_uid,
            "FRGROUPS_TOKEN": sandbox.token,
            "FRGROUPS_BASE_URL": sandbox.base_url,
            "FRGROUPS_HOME": str(tmp_path / "data"),
            "COLUMNS": "120",
        }
        for command, documented in SESSION:
            run = subprocess.run(
                [sys.executable, "-m", *shlex.split(command)], cwd=tmp_path, env=env, capture_output=True, text=True
            )
            assert run.returncode == 0, run.stderr
            pattern = re.escape(without_variable_parts(documented)).replace(re.escape("...\n"), r"(?:.*\n)+")
            assert re.fullmatch(pattern, without_variable_parts(run.stdout).strip()), run.stdout


def test_exit_codes():
    "The exit codes and meanings in the documentation are equal to those in the command's help."
    page = PAGES.get("docs/command-line.md", PAGES["README.md"])
    documented = dict(re.findall(r"^\| (\d+) \| (.*?) \|$", page, re.M))

    assert {int(code): meaning.replace("`", "") for code, meaning in documented.items()} == EXIT_CODES


def test_pictures():
    "Each picture in a documentation page exists in the repository."
    missing = [
        (name, target)
        for name, text in PAGES.items()
        for target in re.findall(r"!\[.*?\]\((.*?)\)|<img src=\"(.*?)\"", text)
        if not (PROJECT / name).parent.joinpath(target[0] or target[1]).exists()
    ]

    assert missing == []


def test_links():
    "Each relative link in a documentation page leads to an existing file or folder in the repository."
    missing = [
        (name, target)
        for name, text in PAGES.items()
        for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)#:]+)[^)]*\)", text)
        if not (PROJECT / name).parent.joinpath(target).exists()
    ]

    assert missing == []


def commands():
    """Return a dictionary with the options of each command, including the options of the main command."""
    root = root_group()
    context = click.Context(root, **root.context_settings)
    return {
        name: option_names(root) | option_names(root.get_command(context, name))
        for name in root.list_commands(context)
    }


def option_names(command):
    """Return the names of the options of a command and of its subcommands."""
    names = {"--help", *(name for param in command.params for name in param.opts)}
    if command.name == "table":
        names |= {name for table in command.commands.values() for name in option_names(table)}
    return names


def options_in(text):
    """Return the command-line options that a text contains."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


@pytest.mark.parametrize("example", EXAMPLES)
def test_commands_exist(example):
    "Each documented command line contains an existing command and valid options for this command."
    by_command = commands()
    words = shlex.split(example, comments=True)[1:]
    if words[0] == "--log":
        words = words[2:]

    assert words[0] in by_command or words[0].isupper() or words[0] == "--help"
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert options <= by_command.get(words[0], {"--help"})


def test_options_exist():
    "Each option that the documentation mentions is an option of at least one command."
    without_other_programs = re.sub(r"`python -m [^`]*`", "", TEXT)
    known = set().union(*commands().values())

    assert options_in(without_other_programs) - known == set()


def test_python_names_exist():
    "Each name that follows `fg.` in the documentation is public."
    names = set(re.findall(r"\bfg\.([A-Za-z_]+)", TEXT))

    assert {name for name in names if not hasattr(fg, name)} == set()


def test_length():
    "The README has at most 200 lines, and the changelog has at most 40 lines."
    assert len(PAGES["README.md"].splitlines()) <= 200
    assert len((PROJECT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()) <= 40
