"""Run a notebook in JupyterLab, in headless Chromium, and collect what it displays."""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from tests import chromium
from tests.notebooks import write_notebook

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
# Seconds that JupyterLab may need to start, and that a notebook may need to run.
START_TIMEOUT = 60
RUN_TIMEOUT = 180
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # All cells are in the page, also those that are not visible.
    "notebook-extension/tracker": {"windowingMode": "none"},
}
PANEL = "jupyterapp.shell.currentWidget"
CELLS = f"{PANEL}.content.widgets.filter((cell) => cell.model.type === 'code')"
IDLE = f"{PANEL}?.sessionContext?.session?.kernel?.status === 'idle'"
# A function that returns what the page shows of each cell.
DISPLAYED = """
(cells) => {
    const all = (cell, selector) => [...cell.node.querySelectorAll('.jp-OutputArea-output ' + selector)];
    const hasFailed = (output) => output.output_type === 'error' || output.name === 'stderr';
    const texts = (elements) => elements.map((element) => element.innerText);
    const width = (element) => element.getBoundingClientRect().width;
    return cells.map((cell) => ({
        source: cell.model.sharedModel.getSource(),
        count: cell.model.executionCount,
        text: [...cell.node.querySelectorAll('.jp-OutputArea-output')].map((output) => output.innerText).join('\\n'),
        failures: cell.model.outputs.toJSON().filter(hasFailed).map((output) => output.evalue ?? output.text),
        cards: texts(all(cell, '.frgroups-card caption').filter((caption) => caption.checkVisibility())),
        rows: all(cell, '.frgroups-table').map((table) => table.querySelectorAll('tbody tr').length),
        plain_tables: all(cell, 'table.dataframe').length,
        pictures: all(cell, 'img').map((image) => [image.naturalWidth, width(image)]),
        bars: all(cell, '.progress-bar').map((bar) => [
            width(bar), width(bar.parentElement), width(bar.closest('.jp-OutputArea-output'))
        ]),
    }));
}
"""
SCROLLED = ".jp-WindowedPanel-outer"
WIDTH, HEIGHT = 1280, 1000
SETTLED = (
    "[...document.querySelectorAll('.jp-OutputArea-output img')].every((image) => image.complete) && "
    f"{PANEL}.node.getAnimations({{subtree: true}}).every((animation) => animation.playState !== 'running')"
)


@dataclass(frozen=True)
class Cell:
    """
    A code cell and the outputs that the page shows.

    Attributes
    ----------
    source, count, text
        The code, the execution number, and the text of all outputs.
    failures
        The messages of errors, and the texts on stderr.
    cards
        The titles of the visible cards.
    rows, plain_tables
        The number of rows of each shown table, and the number of DataFrames that are displayed without `fg.show`.
    pictures
        The width of each picture file and of its image on the page, in pixels.
    bars
        The width of each progress bar, of its track, and of the output, in pixels.
    """

    source: str
    count: int | None
    text: str
    failures: list[str]
    cards: list[str]
    rows: list[int]
    plain_tables: int
    pictures: list[tuple[float, float]]
    bars: list[tuple[float, float, float]]


class Notebook:
    """A notebook that is open in JupyterLab."""

    def __init__(self, page):
        self.page = page

    def run_all(self):
        """Run all cells, as in the Run menu."""
        self._run("notebook:run-all-cells")

    def run_above(self, source):
        """Run all cells above the first code cell that contains a text."""
        self._activate(source)
        self._run("notebook:run-all-above")

    def run_below(self, source):
        """Run the first code cell that contains a text, and all cells below it."""
        self._activate(source)
        self._run("notebook:run-all-below")

    def cells(self):
        """Return the code cells."""
        return [Cell(**cell) for cell in self.page.value(f"({DISPLAYED})({CELLS})")]

    def show_all(self):
        """
        Enlarge the window until it shows all cells, so that axe-core checks the contrast of all texts.

        JupyterLab's body has a height of 0 and hides its overflow, so that axe-core regards all texts as hidden.
        """
        height = self.page.value(f"document.querySelector('{SCROLLED}').scrollHeight")
        self.page.sized(WIDTH, height + HEIGHT)
        self.page.value("document.body.style.minHeight = '100vh'")
        self.page.value(f"document.querySelector('{SCROLLED}').scrollTop = 0")

    def _activate(self, source):
        number = f"{PANEL}.content.widgets.indexOf({CELLS}.find((c) => c.model.sharedModel.getSource().includes(%s)))"
        self.page.value(f"{PANEL}.content.activeCellIndex = {number % json.dumps(source)}")

    def _run(self, command):
        self.page.value(
            f"window.runState = 'running'; jupyterapp.commands.execute('{command}').then("
            "() => { window.runState = 'ended' }, (error) => { window.runState = String(error) }); 0"
        )
        ended = f"window.runState !== 'running' && {IDLE}"
        self.page.wait(ended, timeout=RUN_TIMEOUT, interval=0.1)
        assert self.page.value("window.runState") == "ended"
        self.page.wait(SETTLED)


@contextmanager
def opened(source, home, theme):
    """
    Open a copy of a notebook without outputs in JupyterLab, with a light or dark theme.

    Parameters
    ----------
    source
        The notebook, as an nbformat object.
    home
        The data folder of the kernel.
    theme
        "light" or "dark".
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        (folder / "root").mkdir()
        write_notebook(without_outputs(source), folder / "root" / "notebook.ipynb")
        write_settings(folder / "settings", theme)
        with server(folder, home) as url, chromium.opened(width=WIDTH, height=HEIGHT) as page:
            page.visit(url)
            page.wait(f"globalThis.jupyterapp && {PANEL}?.context?.isReady && {IDLE}", timeout=START_TIMEOUT)
            page.wait(f"document.body.dataset.jpThemeName === '{THEMES[theme]}'")
            yield Notebook(page)


def without_outputs(source):
    """Return a copy of a notebook without outputs and execution numbers."""
    copy = deepcopy(source)
    # JupyterLab asks for a kernel if the notebook does not name one.
    copy.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return copy


def write_settings(folder, theme):
    """Write the user settings of JupyterLab, which select the theme and disable requests to other servers."""
    settings = SETTINGS | {"apputils-extension/themes": {"theme": THEMES[theme]}}
    for name, values in settings.items():
        path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")


@contextmanager
def server(folder, home):
    """Start JupyterLab on a free loopback port with a random token, and yield the URL of the notebook."""
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root"]
    command += ["--expose-app-in-browser", "--LabApp.extension_manager=readonly", f"--notebook-dir={folder / 'root'}"]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment(folder, home), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        facts = wait_for_server(process, folder / "runtime", log)
        yield f"{facts['url']}lab/tree/notebook.ipynb?token={facts['token']}"
    finally:
        process.terminate()
        process.wait(START_TIMEOUT)


def environment(folder, home):
    """Return the environment variables of the server. Its folders are temporary, except those of the extensions."""
    removed = ("FRGROUPS_", "JUPYTER", "MPLBACKEND", "PYTEST")
    variables = {
        name: value for name, value in os.environ.items() if name == "JUPYTER_PATH" or not name.startswith(removed)
    }
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    return variables | {name: str(folder / part) for name, part in folders.items()} | {"FRGROUPS_HOME": str(home)}


def wait_for_server(process, runtime, log):
    """Wait for the file in which the server stores its address and its token, and return the content."""
    end = time.monotonic() + START_TIMEOUT
    while True:
        for path in runtime.glob("jpserver-*.json"):
            try:
                return json.loads(path.read_text(encoding="utf-8"))
            except ValueError:  # The server has not finished writing the file.
                pass
        assert process.poll() is None and time.monotonic() < end, log.read_text(encoding="utf-8")
        time.sleep(0.1)
