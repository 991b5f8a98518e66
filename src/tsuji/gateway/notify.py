"""What a service manager is told: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html"""

import os
import socket
from contextlib import suppress
from time import CLOCK_MONOTONIC, clock_gettime_ns

READY = "READY=1"
STOPPING = "STOPPING=1"


def notify(state: str) -> None:
    """Nothing, where nobody has asked to be told."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect("\0" + address[1:] if address[0] == "@" else address)
        sock.sendall(state.encode())


def reloading() -> str:
    """With the moment at which it began, as Type=notify-reload wants it."""
    return f"RELOADING=1\nMONOTONIC_USEC={clock_gettime_ns(CLOCK_MONOTONIC) // 1000}"
