"""A browser without a window, driven by the W3C WebDriver protocol over plain HTTP."""

import base64
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.stores import free_port

PATIENCE = 30.0
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of a reference to an element (WebDriver, section 12.1)."""

ENTER, ESCAPE = "\ue007", "\ue00c"
"""Keys (WebDriver, section 17.4.2)."""


class Browser:
    """Chromium by its chromedriver."""

    def __init__(self, directory: Path) -> None:
        port = free_port()
        self._log = (directory / "chromedriver.log").open("wb")
        command = ["chromedriver", f"--port={port}"]
        self._driver = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        self._api = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
        arguments = [
            "--headless=new",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={directory}/profile",
        ]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")
        wanted = {"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}}
        try:
            self.wait("chromedriver", self._is_up)
            begun = self._api.post("/session", json={"capabilities": {"alwaysMatch": wanted}}).json()["value"]
        except BaseException:
            self._driver.kill()
            raise
        self._session = f"/session/{begun['sessionId']}"

    def close(self) -> None:
        self._api.delete(self._session)
        self._api.close()
        self._driver.terminate()
        self._driver.wait(15)
        self._log.close()

    def _is_up(self) -> bool:
        try:
            return bool(self._api.get("/status").json()["value"]["ready"])
        except httpx.HTTPError:
            return False

    def wait(self, what: str, met: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE
        while not met():
            assert time.monotonic() < end, f"waited for {what}"
            time.sleep(0.1)

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._api.post(f"{self._session}{path}", json=body).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def open(self, url: str) -> None:
        self._ask("/url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:
        """What a script returns."""
        return self._ask("/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script: str, *arguments: object) -> Any:
        """What a script hands to its last argument, a function."""
        return self._ask("/execute/async", {"script": script, "args": list(arguments)})

    def dress(self, width: int, height: int, theme: str) -> None:
        """The size of the window, which may be a phone's, and the colours that its user prefers."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._devtools("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self._devtools("Emulation.setEmulatedMedia", {"features": features})

    def _devtools(self, command: str, parameters: dict[str, Any]) -> None:
        self._ask("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def text(self, selector: str) -> str:
        """What an element says; empty if there is none."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def type(self, selector: str, text: str) -> None:
        self._ask(f"/element/{self._find(selector)}/clear", {})
        self._ask(f"/element/{self._find(selector)}/value", {"text": text})

    def click(self, selector: str) -> None:
        self._ask(f"/element/{self._find(selector)}/click", {})

    def press(self, key: str) -> None:
        """A key, pressed wherever the focus is."""
        keys = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self._ask("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": keys}]})

    def _find(self, selector: str) -> str:
        return str(self._ask("/element", {"using": "css selector", "value": selector})[ELEMENT])

    def accept(self) -> None:
        """Say yes to what the page asks."""
        self._ask("/alert/accept", {})

    def complaints(self) -> list[str]:
        """What stands in the console since the last look, warnings and errors."""
        said = self._ask("/se/log", {"type": "browser"})
        return [one["message"] for one in said if one["level"] in ("WARNING", "SEVERE")]

    def picture(self, path: Path) -> None:
        """The whole page as PNG."""
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return window.innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, 6000), "scale": 1}
        parameters = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        shot = self._ask("/goog/cdp/execute", {"cmd": "Page.captureScreenshot", "params": parameters})
        path.write_bytes(base64.b64decode(shot["data"]))
