"""What `[server]` can get wrong: places to listen at, proxies, keys."""

import re
from ipaddress import ip_network
from pathlib import Path as Folder

from tsuji.http.url import is_loopback

from .check_secret import secret_is_there
from .problem import Path, Problems
from .reader import MISSING
from .schema import ListenTable, ServerTable

_MODE = re.compile(r"0?[0-7]{3}")


def check_server(server: ServerTable, ledger: bool, folder: Folder, problems: Problems) -> None:
    """ledger: there is one, and it may have keys too."""
    _reach(server, ledger, problems)
    _listen(server, ("server",), server, folder, problems)
    for at, listen in enumerate(server.listen):
        if listen is not MISSING:
            _listen(listen, ("server", "listen", at), server, folder, problems)
    for at, network in enumerate(server.trusted_proxies):
        if network is not MISSING and network != "unix" and not _is_network(network):
            problems.add(
                ("server", "trusted_proxies", at),
                "is no address or range, such as 10.0.0.0/8, nor 'unix'; a range has zeros behind its prefix",
            )
    if server.access_log == "":
        problems.add(("server", "access_log"), "is empty; write a file's path or 'stderr', or leave it out")
    if server.secret is not None:
        secret_is_there(server.secret, ("server", "secret"), folder, problems)
    for at, key in enumerate(server.keys):
        if key is not MISSING:
            secret_is_there(key, ("server", "keys", at), folder, problems)


def _reach(server: ServerTable, ledger: bool, problems: Problems) -> None:
    if server.keys:
        return
    severity = "warning" if ledger else "error"
    advice = "without keys; make one with 'tsuji keys create', add keys under [server]"
    if server.trusted_proxies:
        problems.add(
            ("server", "trusted_proxies"), f"the gateway refuses to be reached through proxies {advice}", severity
        )
    tables = [(("server",), server), *[(("server", "listen", at), more) for at, more in enumerate(server.listen)]]
    for path, table in tables:
        if table is not MISSING and table.socket is None and not is_loopback(table.host):
            problems.add(
                (*path, "host"), f"the gateway refuses to listen on {table.host} {advice}, or use 127.0.0.1", severity
            )


def _listen(listen: ListenTable, path: Path, server: ServerTable, folder: Folder, problems: Problems) -> None:
    if _MODE.fullmatch(listen.socket_mode) is None:
        problems.add((*path, "socket_mode"), "must be three octal digits, such as '660'")
    if listen.socket is not None and not listen.socket:
        problems.add((*path, "socket"), "must be a path")
    if listen.proxy_protocol and not server.trusted_proxies:
        problems.add(
            (*path, "proxy_protocol"),
            "believes nobody yet; name the proxies' addresses in server.trusted_proxies, such as ['127.0.0.1']",
        )
    if listen.tls is not None:
        for name in ("certificate", "key", "client_ca"):
            file: str | None = getattr(listen.tls, name)
            if file is not None and file is not MISSING and not (folder / Folder(file).expanduser()).is_file():
                problems.add((*path, "tls", name), f"there is no file {file}, here and now", "warning")


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
