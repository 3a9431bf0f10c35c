"""A headless Chromium driven over a pipe (DevTools protocol): open, wait, click, look."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from time import monotonic
from typing import Any

from tests.promises import missing

DEADLINE_SECONDS = 30.0
_FLAGS = (
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--mute-audio",
    "--remote-debugging-pipe",
)


class Browser:
    """One page of a browser; collects what went wrong in `complaints`."""

    def __init__(self, process: subprocess.Popen[bytes], read: int, write: int) -> None:
        self._process = process
        self._read, self._write = read, write
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.complaints: list[str] = []
        self.dialogs: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer to one command; events met on the way are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _receive(self) -> dict[str, Any]:
        limit = monotonic() + DEADLINE_SECONDS
        while b"\0" not in self._buffer:
            ready, _, _ = select([self._read], [], [], max(0.0, limit - monotonic()))
            if not ready:
                raise AssertionError("the browser does not answer")
            piece = os.read(self._read, 1 << 20)
            if not piece:
                raise AssertionError("the browser has ended")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        decoded: dict[str, Any] = json.loads(message)
        return decoded

    def _note(self, event: dict[str, Any]) -> None:
        method, parameters = event.get("method", ""), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.complaints.append(str(parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.complaints.append(
                f"{parameters['entry']['text']} {parameters['entry'].get('url')}"
            )
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(parameters["message"])

    def size(self, width: int, height: int) -> None:
        """Set the size of the view in CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def open(self, url: str) -> None:
        """Go to `url` and wait until it has loaded."""
        self.send("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until a JavaScript condition holds, at most the deadline."""
        promise = (
            "new Promise((done, fail) => { const end = performance.now() + 20000;"
            f"const look = () => {{ let ok = false; try {{ ok = !!({condition}); }} catch (e) {{}}"
            "if (ok) done(true); else if (performance.now() > end) fail(new Error('waited'));"
            "else setTimeout(look, 30); }; look(); })"
        )
        try:
            self.evaluate(promise)
        except AssertionError as error:
            if "navigated" not in str(error) and "destroyed" not in str(error):
                raise AssertionError(f"never came true: {condition}") from error
            self.until(condition)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Save a screenshot as PNG; `whole` takes the page beyond the view too."""
        shot = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """Give a browser with a profile under `folder`; missing = failed where promised."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("chromium", "install Debian's package chromium")
    here_read, there_write = os.pipe()
    there_read, here_write = os.pipe()

    def place() -> None:
        os.dup2(there_read, 3)
        os.dup2(there_write, 4)

    process = subprocess.Popen(
        [program, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(3, 4, there_read, there_write),
        preexec_fn=place,  # noqa: PLW1509 - the pipe must be descriptors 3 and 4 in the child
    )
    os.close(there_read)
    os.close(there_write)
    try:
        yield Browser(process, here_read, here_write)
    finally:
        process.terminate()
        process.wait(timeout=20)
        os.close(here_read)
        os.close(here_write)
