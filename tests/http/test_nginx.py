"""Both drivers against a real nginx."""

import asyncio
import json
from collections.abc import Callable

import pytest

from tests.http.conftest import Driver, Nginx
from tsuji.core.errors import UpstreamConnectionError
from tsuji.core.timeouts import Timeouts
from tsuji.http.aio import AsyncPool
from tsuji.http.proxy import Proxies
from tsuji.http.tls import TlsConfig
from tsuji.http.url import Origin, split_url

Make = Callable[..., Driver]
EXPECTED = list(range(100_000))


@pytest.fixture(params=["plain", "secure", "unix"])
def origin(request: pytest.FixtureRequest, nginx: Nginx) -> Origin:
    return getattr(nginx, request.param)


@pytest.fixture
def trusting(make_driver: Make, ca_file: str) -> Driver:
    return make_driver(tls=TlsConfig(ca_file=ca_file))


def test_one_connection_for_many_requests(trusting: Driver, origin: Origin) -> None:
    answers = [trusting.fetch(origin, b"/who").body.split() for _ in range(20)]
    assert len({answer[0] for answer in answers}) == 1
    assert [int(answer[1]) for answer in answers] == list(range(1, 21))


def test_the_host_header_and_tls(trusting: Driver, nginx: Nginx) -> None:
    plain = trusting.fetch(nginx.plain, b"/who").body.split()
    assert plain[2] == b"127.0.0.1:%d" % nginx.plain.port
    secure = trusting.fetch(nginx.secure, b"/who").body.split()
    assert secure[2:4] == [b"localhost:%d" % nginx.secure.port, b"TLSv1.3"]
    if len(secure) > 4:  # nginx knows $ssl_alpn_protocol since 1.21.4
        assert secure[4] == b"http/1.1"


def test_a_compressed_file_in_chunks(trusting: Driver, origin: Origin) -> None:
    answer = trusting.fetch(origin, b"/big.json", method=b"GET", body=b"")
    assert answer.get(b"content-encoding") == b"gzip"
    assert answer.get(b"transfer-encoding") == b"chunked"
    assert json.loads(answer.body)["n"] == EXPECTED


def test_a_plain_file_with_its_length(trusting: Driver, origin: Origin) -> None:
    plainly = (("Accept-Encoding", "identity"),)
    answer = trusting.fetch(origin, b"/big.json", method=b"GET", body=b"", headers=plainly)
    assert answer.get(b"content-encoding") is None
    assert int(answer.get(b"content-length") or 0) == len(answer.body)
    assert json.loads(answer.body)["n"] == EXPECTED


def test_an_upload(trusting: Driver, origin: Origin) -> None:
    answer = trusting.fetch(origin, b"/echo", body=bytes(900_000))
    assert (answer.status, answer.get(b"x-length")) == (200, b"900000")


def test_an_upload_that_is_refused(trusting: Driver, origin: Origin) -> None:
    assert trusting.fetch(origin, b"/echo", body=bytes(1_100_000)).status == 413


def test_redirects_and_empty_answers(trusting: Driver, origin: Origin) -> None:
    moved = trusting.fetch(origin, b"/moved")
    assert (moved.status, (moved.get(b"location") or b"")[-4:]) == (302, b"/who")
    assert trusting.fetch(origin, b"/empty")[::2] == (204, b"")
    assert trusting.fetch(origin, b"/who", method=b"HEAD", body=b"").body == b""
    assert trusting.fetch(origin, b"/absent").status in (404, 405)


def test_a_server_that_closes_each_time(trusting: Driver, origin: Origin) -> None:
    for _ in range(3):
        answer = trusting.fetch(origin, b"/closing")
        assert (answer.body, answer.get(b"connection")) == (b"bye", b"close")


def test_its_certificate_is_checked(make_driver: Make, nginx: Nginx) -> None:
    driver = make_driver(tls=TlsConfig())
    with pytest.raises(UpstreamConnectionError, match="not trusted here"):
        driver.fetch(nginx.secure)


def test_a_socket_that_is_not_there(trusting: Driver, nginx: Nginx) -> None:
    url = "http+unix://" + str(nginx.root / "absent.sock").replace("/", "%2F") + "/v1"
    with pytest.raises(UpstreamConnectionError, match="No such file"):
        trusting.fetch(split_url(url)[0])


def test_fifty_at_once(run: Callable[..., None], origin: Origin, ca_file: str) -> None:
    async def main() -> None:
        pool = AsyncPool(proxies=Proxies(), tls=TlsConfig(ca_file=ca_file), max_idle_per_origin=50)

        async def fetch() -> bytes:
            response = await pool.request(b"GET", origin, b"/who", b"", b"", Timeouts())
            return (await response.read()).split()[0]

        first = await asyncio.gather(*(fetch() for _ in range(50)))
        second = await asyncio.gather(*(fetch() for _ in range(50)))
        assert len(set(first)) == 50
        assert set(first) == set(second)
        await pool.close()

    run(main())
