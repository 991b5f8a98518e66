"""Tokens counted before a call: a number, whose price is none of ours.

A provider that speaks the client's dialect is asked at its own endpoint, the request as it came. A local model counts
what any dialect asks. Everything else is refused: a count of another's tokens would be a guess.
"""

import msgspec

from tsuji.core.errors import InvalidRequestError
from tsuji.core.usage import Usage
from tsuji.wire.counting import Counting
from tsuji.wire.dialect import Dialect
from tsuji.wire.passthrough import encode

from .relay import Relay
from .translate import Translation


def _counting(dialect: Dialect) -> Counting:
    if dialect.counting is None:
        raise InvalidRequestError(f"the {dialect.name} dialect has no count of tokens", status=501, fault="gateway")
    return dialect.counting


class CountRelay(Relay):
    billable = False

    def prepare(self) -> None:
        destination, driver = self.destination, self.driver
        upstream = destination.upstream
        counting = _counting(upstream.dialect)
        self.path = upstream.target("count_tokens", counting.path(destination.model), destination.model)
        self.headers = self.client_headers()
        self.body = encode(counting.readdress(driver.fields, destination.model))

    def judge(self, body: bytes) -> None:
        _counting(self.destination.upstream.dialect).read(body)


class CountTranslation(Translation):
    """Of a local model, whose server counts a chat."""

    def prepare(self) -> None:
        driver, destination = self.driver, self.destination
        upstream = destination.upstream
        if destination.endpoint is None:
            own = upstream.dialect is driver.dialect
            raise InvalidRequestError(
                f"{upstream.provider.name} is not asked for a count of this: "
                + ("it has thinking of another provider's in it" if own else f"it speaks {upstream.dialect.name}")
                + "; send the request itself, and read the usage of its answer",
                status=501,
                fault="gateway",
            )
        asked = _counting(driver.dialect).parse(driver.request.body, driver.request.model)
        call = self.render(msgspec.structs.replace(asked, model=destination.model, stream=False))
        counted = msgspec.structs.replace(call, path=_counting(upstream.dialect).path(destination.model))
        self.call(counted, "count_tokens")

    def translate(self, body: bytes) -> tuple[bytes, Usage | None]:
        count = _counting(self.destination.upstream.dialect).read(body)
        return _counting(self.driver.dialect).render(count), None
