"""One file over HTTP: resumed where it was left, tried again while it makes progress, never sent a key of another host.

The standard library's client is used, so proxies and certificates are those of the environment; this runs once a model,
not once a request.
"""

import errno
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import unquote, urlsplit

from tsuji.core.errors import LocalEngineError

from .sources import Progress

_CHUNK = 1 << 18
_SILENCE = 30.0  # seconds without a byte
_TRIES = 5  # in a row without progress
_PAUSE = 0.2  # seconds before the first of them, doubled for each
_LONGEST = 64 << 20  # bytes of an answer that is kept in memory
_ADVICE = {
    401: "the file needs a token: set HF_TOKEN to one that may read it",
    403: "the token may not read it: accept the model's licence on its page, or set HF_TOKEN",
    404: "no such file there: check owner, repository, revision and path",
}
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


class UrlFile:
    """token: a bearer token for the host of `url` alone; redirects to other hosts go without it."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.token = token

    @property
    def file_name(self) -> str:
        return Path(unquote(urlsplit(self.url).path)).name

    def fetch(self, part: Path, progress: Progress) -> str | None:
        validator = part.with_name(part.name + ".validator")
        failures = 0
        while True:
            before = _size(part)
            try:
                hash_ = self._attempt(part, validator, progress)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == 416 and before:  # what is here does not belong to what is there
                    part.unlink()
                    continue
                if error.code < 500 and error.code != 429:
                    raise self._refused(error.code) from None
                problem = f"the server answered {error.code}"
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, OSError) and (error.filename or error.errno in _DISK):
                    raise
                problem = str(getattr(error, "reason", "")) or str(error) or type(error).__name__
            else:
                validator.unlink(missing_ok=True)
                return hash_
            failures = 0 if _size(part) > before else failures + 1
            if failures == _TRIES:
                raise self._failed(problem)
            time.sleep(_PAUSE * 2**failures)

    def _attempt(self, part: Path, validator: Path, progress: Progress) -> str | None:
        request = _request(self.url, self.token)
        done = _size(part)
        known = validator.read_text() if done and validator.exists() else ""
        if known:  # without a validator, the server could give the end of another file
            request.add_header("Range", f"bytes={done}-")
            request.add_header("If-Range", known)
        redirects = _Redirects(self.url, self.token)
        with _opener(redirects).open(request, timeout=_SILENCE) as response:
            resumed = response.status == 206
            tag = response.headers.get("ETag") or ""
            strong = tag if tag and not tag.startswith("W/") else ""
            validator.write_text(strong or response.headers.get("Last-Modified") or "")
            done = done if resumed else 0
            length = response.headers.get("Content-Length")
            total = done + int(length) if length else None
            with part.open("ab" if resumed else "wb") as out:
                self._copy(response, out, done, total, progress)
        return redirects.linked_hash or _sha256_of(response.headers)

    def _copy(self, response: IO[bytes], out: IO[bytes], done: int, total: int | None, progress: Progress) -> None:
        progress("downloading", done, total)
        while chunk := response.read(_CHUNK):
            out.write(chunk)
            done += len(chunk)
            progress("downloading", done, total)
        if total is not None and done < total:
            raise http.client.IncompleteRead(b"", total - done)

    def _refused(self, status: int) -> LocalEngineError:
        advice = _ADVICE.get(status, "check the address")
        return LocalEngineError(f"{self.url} cannot be downloaded: status {status}; {advice}")

    def _failed(self, problem: str) -> LocalEngineError:
        host = urlsplit(self.url).hostname
        return LocalEngineError(
            f"{self.url} cannot be downloaded: {problem}. Check the connection to {host} (HTTPS_PROXY, and HF_ENDPOINT"
            " for a mirror of the hub); what has arrived is kept, and the next try goes on from there",
            retryable=True,
        )


def get_json(
    url: str, token: str | None = None, *, accept: str = "application/json", missing: str = ""
) -> tuple[Any, Message]:
    """The decoded answer and its headers; see `get_bytes`."""
    body, headers = get_bytes(url, token, accept=accept, missing=missing)
    try:
        return json.loads(body), headers
    except ValueError:
        raise LocalEngineError(f"{url} answered with something that is not JSON; check the address") from None


def get_bytes(url: str, token: str | None = None, *, accept: str = "*/*", missing: str = "") -> tuple[bytes, Message]:
    """A small answer, at most 64 MiB, and its headers; tried again where the server or the network failed.

    missing: what a 404 means. Raises LocalEngineError.
    """
    problem = ""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE * 2**attempt)
        request = _request(url, token)
        request.add_header("Accept", accept)
        try:
            with _opener(_Redirects(url, token)).open(request, timeout=_SILENCE) as response:
                body = response.read(_LONGEST + 1)
                if len(body) > _LONGEST:
                    raise LocalEngineError(f"{url} answered with more than {_LONGEST >> 20} MiB; check the address")
                return body, response.headers
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500 and error.code != 429:
                if missing and error.code in (401, 404):  # the hub says 401 of what does not exist
                    hint = "check the name" if error.code == 404 else "check the name, or set HF_TOKEN if it is private"
                    raise LocalEngineError(f"{missing}: status {error.code} for {url}; {hint}") from None
                advice = _ADVICE.get(error.code, "check the address")
                raise LocalEngineError(f"{url} cannot be read: status {error.code}; {advice}") from None
            problem = f"the server answered {error.code}"
        except (OSError, http.client.HTTPException) as error:
            problem = str(getattr(error, "reason", "")) or str(error) or type(error).__name__
    raise LocalEngineError(
        f"{url} cannot be read: {problem}. Check the connection to {urlsplit(url).hostname} (HTTPS_PROXY, and"
        " HF_ENDPOINT for a mirror of the hub)",
        retryable=True,
    )


def _request(url: str, token: str | None) -> urllib.request.Request:
    request = urllib.request.Request(url, headers={"User-Agent": "tsuji", "Accept-Encoding": "identity"})  # noqa: S310
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    return request


def _opener(redirects: "_Redirects") -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(redirects, urllib.request.HTTPSHandler(context=_tls()))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Gives the token to the first host only, refuses plain HTTP after HTTPS, remembers the hash the hub declares."""

    def __init__(self, url: str, token: str | None) -> None:
        self.first = urlsplit(url)
        self.token = token
        self.linked_hash: str | None = None

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        self.linked_hash = _sha256_of(headers) or self.linked_hash
        parts = urlsplit(newurl)
        if self.first.scheme == "https" and parts.scheme != "https":
            raise LocalEngineError(f"{self.first.geturl()} redirects to plain HTTP; refused")
        request = super().redirect_request(req, fp, code, msg, cast(http.client.HTTPMessage, headers), newurl)
        if request is not None and self.token and parts.netloc == self.first.netloc:
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        return request


def _sha256_of(headers: Message) -> str | None:
    """The hub names the sha256 of a file in large storage: https://huggingface.co/docs/hub/storage-backends"""
    tag = (headers.get("X-Linked-Etag") or "").strip('"')
    return tag if len(tag) == 64 and all(c in "0123456789abcdef" for c in tag) else None


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"] and not ssl.get_default_verify_paths().capath:
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
