"""Control a page in headless Chromium through the debugging pipe, which opens no network port."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT = 60.0
FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--lang=en-GB",
)
# Chromium reads commands from file descriptor 3 and writes responses to 4. The launcher assigns these descriptors.
LAUNCHER = (
    "import fcntl, os, sys; a, b = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]); "
    "os.dup2(a, 3); os.dup2(b, 4); os.execv(sys.argv[3], sys.argv[3:])"
)


def found() -> str | None:
    """Return the path of an installed Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """A page in the browser, with methods to evaluate scripts, type, click, and take screenshots."""

    def __init__(self, browser: Browser, session: str, downloads: Path) -> None:
        self._browser, self._session, self.downloads = browser, session, downloads

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol and return its result."""
        return self._browser.call(method, parameters, self._session)

    def open(self, path: Path) -> None:
        """Open a file in the page and wait until it is loaded."""
        self.visit(path.resolve().as_uri())

    def visit(self, url: str) -> None:
        """Open a URL in the page and wait until it is loaded."""
        answer = self.call("Page.navigate", url=url)
        assert "errorText" not in answer, f"{url}: {answer['errorText']}"
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def value(self, script: str) -> Any:
        """Return the value of a JavaScript expression. A promise is awaited."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"]["exception"].get("description", answer))
        return answer["result"].get("value")

    def wait(self, script: str, *, timeout: float = TIMEOUT, interval: float = 0.01) -> None:
        """Wait until a JavaScript expression is true. `timeout` and `interval` are in seconds."""
        end = time.monotonic() + timeout
        while not self.value(script):
            assert time.monotonic() < end, f"The expression did not become true: {script}"
            time.sleep(interval)

    def text(self, selector: str) -> str:
        """Return the visible text of an element."""
        return str(self.value(f"document.querySelector({json.dumps(selector)}).innerText"))

    def click(self, selector: str) -> None:
        """Scroll an element into view and click its center."""
        x, y = self.value(
            f"(() => {{ const element = document.querySelector({json.dumps(selector)});"
            "element.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = element.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text: str) -> None:
        """Type text into the element that has the focus."""
        self.call("Input.insertText", text=text)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press and release a key."""
        pressed = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **pressed, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def downloaded(self) -> Path:
        """Wait for the only downloaded file, move it to a new folder, and return its path."""
        end = time.monotonic() + TIMEOUT
        while not self._browser.downloaded:
            assert time.monotonic() < end, "No file was downloaded."
            self.value("new Promise((done) => setTimeout(done, 20))")  # Pending events precede the response.
        self._browser.downloaded.clear()
        (file,) = self.downloads.glob("*.json")
        return file.rename(Path(tempfile.mkdtemp(dir=self.downloads)) / file.name)

    def sized(self, width: int, height: int) -> None:
        """Set the size of the browser window in pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def color_scheme(self, scheme: str) -> None:
        """Set the color scheme that the user prefers: "light" or "dark", or "" for the default."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def picture(self, path: Path, *, is_whole: bool = False) -> Path:
        """Write a screenshot of the browser window, or of the whole page, to a PNG file, and return its path."""
        options: dict[str, Any] = {}
        if is_whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            options = {"captureBeyondViewport": True, "clip": {**size, "x": 0, "y": 0, "scale": 1}}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **options)["data"]))
        return path

    def printed(self, path: Path) -> Path:
        """Print the page to a PDF file, and return its path."""
        path.write_bytes(base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True)["data"]))
        return path


class Browser:
    """The Chromium process, and the pipes that control it."""

    def __init__(self, path: str, folder: Path) -> None:
        browser_in, self._to = os.pipe()
        self._from, browser_out = os.pipe()
        command = [sys.executable, "-c", LAUNCHER, str(browser_in), str(browser_out), path, *FLAGS]
        command += [f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(
            command,
            pass_fds=(browser_in, browser_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(browser_in)
        os.close(browser_out)
        self._n, self._rest = 0, b""
        self.downloaded: list[str] = []

    def call(self, method: str, parameters: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        """Send a command, wait for its response, and record completed downloads."""
        self._n += 1
        command = {"id": self._n, "method": method, "params": parameters} | (
            {"sessionId": session} if session else {}
        )
        os.write(self._to, json.dumps(command).encode() + b"\0")
        while (answer := self._message()).get("id") != self._n:
            if answer.get("params", {}).get("state") == "completed":
                self.downloaded.append(answer["params"]["guid"])
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def page(self, downloads: Path) -> Page:
        """Open a new page with the given download folder."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        options = {"behavior": "allow", "downloadPath": str(downloads), "eventsEnabled": True}
        self.call("Browser.setDownloadBehavior", options)
        page = Page(self, session, downloads)
        page.call("Page.enable")
        return page

    def close(self) -> None:
        """Stop the Chromium process."""
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._from, 1 << 20)
            if not part:
                raise AssertionError("The Chromium process ended.")
            self._rest += part
        body, self._rest = self._rest.split(b"\0", 1)
        message: dict[str, Any] = json.loads(body)
        return message


@contextmanager
def opened(path: Path | None = None, *, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """Start Chromium, and yield a page that shows a file, or an empty page if `path` is None."""
    program = found()
    assert program, "Chromium is not installed."
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        downloads = Path(folder) / "downloads"
        downloads.mkdir()
        browser = Browser(program, Path(folder) / "profile")
        try:
            page = browser.page(downloads)
            page.sized(width, height)
            if path is not None:
                page.open(path)
            yield page
        finally:
            browser.close()
