"""Write llms.txt, an index of all pages with one line each, to the output folder."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

LONGEST_DESCRIPTION = 200


def first_sentence(document: nodes.document) -> str:
    """Return the first sentence of the first paragraph on a page, without line breaks."""
    for paragraph in document.findall(nodes.paragraph):
        in_text = isinstance(paragraph.parent, nodes.section | nodes.document) or (
            paragraph.parent.tagname == "desc_content"
        )
        text = " ".join(paragraph.astext().split())
        if in_text and text:
            sentence, dot, _ = text.partition(". ")
            return f"{sentence}{dot.strip()}"[:LONGEST_DESCRIPTION]
    return ""


def index_lines(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Return the lines of the index: the start page, and the pages of each section in reading order."""
    root = app.config.root_doc
    lines = [f"# {env.titles[root].astext()}", "", f"> {first_sentence(env.get_doctree(root))}", ""]
    seen = {root}

    def pages_below(name: str) -> list[str]:
        result = []
        for child in env.toctree_includes.get(name, []):
            if child not in seen:
                seen.add(child)
                result += [child, *pages_below(child)]
        return result

    for top in env.toctree_includes.get(root, []):
        if top in seen:
            continue
        seen.add(top)
        lines += [f"## {env.titles[top].astext()}", ""]
        for page in [top, *pages_below(top)]:
            lines += [_line(app, env, page), *_question_lines(app, env, page)]
        lines.append("")
    return lines


def _question_lines(app: Sphinx, env: BuildEnvironment, page: str) -> list[str]:
    """Return one line for each section of a page whose title is a question."""
    address = app.builder.get_target_uri(page)
    titles = [(section["ids"][0], section.next_node(nodes.title)) for section in _sections(env, page)]
    return [
        f"  - [{title.astext()}]({address}#{anchor})"
        for anchor, title in titles
        if title is not None and title.astext().endswith("?")
    ]


def _sections(env: BuildEnvironment, page: str) -> list[nodes.section]:
    return list(env.get_doctree(page).findall(nodes.section))


def _line(app: Sphinx, env: BuildEnvironment, page: str) -> str:
    title, sentence = env.titles[page].astext(), first_sentence(env.get_doctree(page))
    link = f"- [{title}]({app.builder.get_target_uri(page)})"
    return f"{link}: {sentence}" if sentence else link


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the index after a build of HTML pages."""
    if error is None and app.builder.format == "html":
        Path(app.outdir, "llms.txt").write_text("\n".join(index_lines(app, app.env)), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the index to Sphinx."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True}
