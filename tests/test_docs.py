"""Tests for the sources of the documentation site. The site itself is built and checked with `make docs`."""

import doctest
import inspect
import re
from pathlib import Path

import click
import pytest
from docutils import nodes
from docutils.utils import new_document
from IPython.core.inputtransformer2 import TransformerManager
from markdown_it import MarkdownIt
from myst_parser.mdit_to_docutils.base import default_slugify

import accessible_html
import command_pages
import frgroups as fg
import gallery_pages
import llms_index
import name_links
import offline_check
import page_files
import reference_pages
from frgroups.cli.main import root_group

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md")) if "_build" not in path.parts}
CELLS = [
    pytest.param(cell, id=f"{path.stem}-{number}")
    for path, text in PAGES.items()
    for number, cell in enumerate(re.findall(r"```\{code-(?:cell|block)\} python\n(.*?)```", text, re.S), 1)
]
LINKS = [
    pytest.param(path, target, anchor, id=f"{path.stem}-{target}-{anchor}")
    for path, text in PAGES.items()
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text)
]
REFERENCE = reference_pages.reference_pages()


@pytest.mark.parametrize("name", [*fg.__all__, *(f"plot.{chart}" for chart in fg.plot.__all__)])
def test_reference_page(name):
    "Each public name and each chart has a reference page, which the index and the navigation of the reference link."
    value = fg
    for part in name.split("."):
        value = getattr(value, part)
    if not inspect.ismodule(value):
        assert re.search(rf"^\.\. (auto\w+|py:data):: {name.removeprefix('plot.')}$", REFERENCE[name], re.M)
    assert f"   /reference/{name}\n" in REFERENCE["index"]
    assert f"</reference/{name}>`" in REFERENCE["index"]


def test_reference_sandbox():
    "The page of the sandbox also describes the classes of its options."
    assert re.findall(r"autoclass:: (frgroups\.sandbox\S+)", REFERENCE["Sandbox"]) == [
        "frgroups.sandbox.faults.Behavior",
        "frgroups.sandbox.faults.Fault",
    ]


def test_reference_errors():
    "The page of the errors describes each exception of `frgroups.errors`."
    classes = {item.__name__ for item in vars(fg.errors).values() if inspect.isclass(item)}
    classes = {name for name in classes if issubclass(getattr(fg.errors, name, str), fg.FrgroupsError)}
    described = set(re.findall(r"^\.\. autoexception:: (\w+)$", REFERENCE["errors"], re.M))

    assert described == classes - {"FrgroupsError"}


def test_reference_sections():
    "A new name is assigned to the section of its package, and an unknown package is an error."
    assert reference_pages.section_of("analysis.new_module") == reference_pages.section_of("analysis.sizes")
    assert reference_pages.section_of("analysis.duplicates") != reference_pages.section_of("analysis.sizes")
    with pytest.raises(ValueError, match="analysis_of_stores"):
        reference_pages.section_of("analysis_of_stores.module")


def test_command_pages():
    "Each command, subcommand, and visible option has an entry on the page of the command."
    pages = command_pages.command_pages()
    root = root_group()
    context = click.Context(root, **root.context_settings, info_name="frgroups")
    for name in root_group().list_commands(context):
        command = root_group().get_command(context, name)
        commands = [command, *getattr(command, "commands", {}).values()]
        for documented in commands:
            assert documented.name in pages[name]
            for option in documented.params:
                if isinstance(option, click.Option) and not option.hidden:
                    assert re.search(rf"^\.\. option:: .*{option.opts[-1]}\b", pages[name], re.M)


def test_chart_examples():
    "Each chart has code that calls the chart, and each file with the code of a chart belongs to an existing chart."
    folder = DOCS / "charts"
    for name in fg.plot.__all__:
        code = gallery_pages.chart_code(folder, name)
        compile(code, name, "exec")
        assert f"plot.{name}(" in code

    assert {path.stem for path in folder.glob("*.py")} <= {*fg.plot.__all__, gallery_pages.SETUP}


def test_chart_without_file(tmp_path):
    "If a chart has no file, the gallery uses the example in the docstring of the chart."
    assert "plot.sizes(sample_snapshot())" in gallery_pages.chart_code(tmp_path, "sizes")


def test_draw(tmp_path):
    "The gallery saves the figure that the code draws, and rejects code that draws no figure."
    gallery_pages.draw("fg.plot.sizes(fg.sample_snapshot())", {"fg": fg}, tmp_path / "sizes.png")

    assert (tmp_path / "sizes.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"none\.png"):
        gallery_pages.draw("1 + 1", {}, tmp_path / "none.png")


@pytest.mark.parametrize("cell", CELLS)
def test_code_compiles(cell):
    "Each Python example in the documentation is valid Python or a line for IPython."
    compile(TransformerManager().transform_cell(cell), "cell", "exec")


@pytest.mark.parametrize("cell", CELLS)
def test_no_formats(cell):
    "Examples display tables with `fg.show` and export them with `fg.save_table`."
    assert not re.search(r"\.(style|head|tail|to_csv|to_excel|to_string|to_html)\b|pd\.options|set_option", cell)


@pytest.mark.parametrize(("path", "target", "anchor"), LINKS)
def test_anchor(path, target, anchor):
    "Each link to a section leads to an existing heading."
    text = PAGES[(path.parent / target).resolve() if target else path]
    tokens = MarkdownIt().enable("table").parse(text)
    headings = [tokens[index + 1].content for index, token in enumerate(tokens) if token.type == "heading_open"]

    assert anchor in {default_slugify(heading) for heading in headings}


def test_every_page_is_in_the_navigation():
    "Each page of the documentation is listed in a table of contents."
    text = "\n".join([*PAGES.values(), command_pages.command_pages()["index"]])
    listed = set(re.findall(r"^ *(?:.* <)?(/?[\w/-]+)>?$", text, re.M))

    missing = {path.stem for path in PAGES} - {entry.rpartition("/")[2] for entry in listed} - {"index"}
    assert missing == set()


def test_remote_resources(tmp_path):
    "Scripts, styles, fonts, and pictures on other hosts are found, and ordinary links are allowed."
    (tmp_path / "page.html").write_text(
        '<a href="https://a.example/">link</a><script src="https://b.example/x.js"></script>'
        '<link rel="stylesheet" href="//c.example/x.css"><img alt="" src="pictures/x.png">'
    )
    (tmp_path / "style.css").write_text('@import "local.css"; @font-face { src: url(https://d.example/x.woff2) }')

    found = {address.partition("//")[2].partition("/")[0] for _, address in offline_check.remote_resources(tmp_path)}
    assert found == {"b.example", "c.example", "d.example"}


def test_first_sentence():
    "The description of a page in llms.txt is the first sentence of its first paragraph."
    document = new_document("page")
    section = nodes.section("", nodes.title("", "Title"), nodes.paragraph("", "One sentence.\nAnother sentence."))
    document += section

    assert llms_index.first_sentence(document) == "One sentence."


def test_write_pages(tmp_path):
    "Unchanged pages keep their modification time, and pages that are no longer generated are deleted."
    page_files.write_pages(tmp_path, {"plot.sizes": "text", "old": "text"})
    before = (tmp_path / "plot.sizes.rst").stat().st_mtime_ns
    page_files.write_pages(tmp_path, {"plot.sizes": "text", "new": "text"})

    assert (tmp_path / "plot.sizes.rst").stat().st_mtime_ns == before
    assert {path.name for path in tmp_path.iterdir()} == {"plot.sizes.rst", "new.rst"}


@pytest.mark.parametrize("module", [name_links, page_files, accessible_html])
def test_examples(module):
    "Each example in the docstrings of the Sphinx extensions produces the documented output."
    result = doctest.testmod(module)

    assert result.attempted > 0
    assert result.failed == 0
