"""An admin API in a thread, and a client of it."""

import threading
from collections.abc import Callable
from typing import Any

import httpx

from tsuji.config import AdminConfig, Config, LedgerConfig, Secret, Server
from tsuji.control.app import Application
from tsuji.control.call import Admin
from tsuji.control.run import Server as AdminServer
from tsuji.control.run import listener, the_door, url

TOKEN = "canary-admin-token"
SECRET = "canary-server-secret"


def config(database: str, admin: AdminConfig | None = None, **more: Any) -> Config:
    """database: a URL."""
    return Config(
        server=Server(secret=Secret(SECRET)),
        ledger=LedgerConfig(url=Secret(database)),
        admin=admin or AdminConfig(port=0, token=Secret(TOKEN)),
        **more,
    )


class Serving:
    """asked: with the token. port: that it listens on."""

    def __init__(self, settings: Config, read: Callable[[], Config] | None = None, **limits: float) -> None:
        self.admin = Admin(settings, read or (lambda: settings))
        self._opened = listener(settings)
        listening = self._opened.__enter__()
        there = threading.Event()
        application = Application(self.admin, the_door(settings), **limits)
        self._server = AdminServer(application, lambda _: there.set(), listening, signals=False)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), daemon=True)
        self._thread.start()
        assert there.wait(20)
        self.url = url(listening)
        self.port = listening.getsockname()[1]
        self.client = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """path: below /api/v1 unless it begins with a slash. body: JSON."""
        path = path if path.startswith("/") else f"/api/v1/{path}"
        return self.client.request(method, path, json=body, **more)

    def get(self, path: str, **query: Any) -> Any:
        found = self.ask("GET", path, params=query)
        assert found.status_code == 200, found.text
        return found.json()

    def make(self, name: str = "ci", **fields: Any) -> Any:
        """A key."""
        made = self.ask("POST", "keys", {"name": name, **fields})
        assert made.status_code == 201, made.text
        return made.json()

    def refused(self, status: int, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The error of a request that has that status."""
        found = self.ask(method, path, body, **more)
        assert found.status_code == status, found.text
        error = found.json()["error"]
        assert set(error) == {"kind", "message", "fault", "param"}
        return error

    def stop(self) -> None:
        self.client.close()
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.admin.close()
        self._opened.__exit__(None, None, None)
