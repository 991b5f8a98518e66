"""Threads and forks: one client of the process, connections of their own."""

import os
import threading

import pytest

from tests import answers
from tests.client.conftest import HI
from tsuji import completion


def test_threads_share_the_client(scripted):
    server = scripted(answers.chat("openai"))
    found = []

    def ask():
        for _ in range(10):
            r = completion("openai:m", HI, api_key="k", api_base=server.url)
            found.append(r.choices[0].message.content)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["hello"] * 80
    assert server.connections <= 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_uses_connections_of_its_own(scripted):
    server = scripted(answers.chat("openai"))

    def ask() -> str:
        return completion("openai:m", HI, api_key="k", api_base=server.url).choices[0].message.content

    assert ask() == "hello"
    child = os.fork()
    if child == 0:
        os._exit(0 if ask() == "hello" and ask() == "hello" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ask() == "hello"
    assert [r.connection for r in server.requests] == [0, 1, 1, 0]
