"""
Run all notebooks and store their outputs. The command is `make notebooks-run`.

nbformat and nbclient are imported in functions, because the imports take seconds and most test processes do not need
these packages.
"""

import os
import re
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "notebooks"
WIDGET = "application/vnd.jupyter.widget-view+json"


def notebooks():
    """Return the sorted paths of the committed notebooks."""
    return sorted(FOLDER.glob("*.ipynb"))


def read_notebook(path):
    """Return a notebook as an nbformat object."""
    import nbformat

    return nbformat.read(path, as_version=4)


def notebook_of(*cells):
    """Return a notebook with the given code cells."""
    from nbformat.v4 import new_code_cell, new_notebook

    return new_notebook(cells=list(map(new_code_cell, cells)))


def write_notebook(book, path):
    """Write a notebook to a file."""
    import nbformat

    nbformat.write(book, path)


def run(path, home):
    """Run a notebook with the given data folder, and return it with new outputs."""
    from nbclient import NotebookClient

    book = read_notebook(path)
    variables = {"FRGROUPS_HOME": str(home), "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    before = {name: os.environ.get(name) for name in variables}
    os.environ |= variables
    try:
        NotebookClient(
            book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
        ).execute()
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
    return cleaned(book, home)


def cleaned(book, home):
    """
    Remove metadata, port numbers, the path of the data folder, and widgets from outputs, because runs differ in them.

    A stored widget is only the text of its first state, for example of a progress bar at 0%.
    """
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in book.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
        for output in cell.get("outputs", ()):
            output.pop("metadata", None) if output.output_type == "stream" else output.update(metadata={})
            for holder, key in places(output):
                holder[key] = re.sub(
                    r"127\.0\.0\.1(:|_)\d+", r"127.0.0.1\g<1>PORT", holder[key].replace(str(home), "HOME")
                )
    return book


def places(output):
    """Yield the dictionary and the key of each text in a cell output."""
    if output.output_type == "stream":
        yield output, "text"
    for kind, value in sorted(output.get("data", {}).items()):
        if isinstance(value, str) and not kind.startswith("image/"):
            yield output["data"], kind


def text_of(book):
    """Return the text of all cell outputs, without pictures."""
    return "\n".join(
        holder[key] for cell in book.cells for output in cell.get("outputs", ()) for holder, key in places(output)
    )


def main():
    """Run all notebooks and write the new outputs to the notebook files."""
    for path in notebooks():
        with tempfile.TemporaryDirectory() as home:
            write_notebook(run(path, Path(home)), path)
        sys.stderr.write(f"ran {path.name}\n")


if __name__ == "__main__":
    main()
