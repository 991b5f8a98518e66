"""What a judge hears of a request: as a Tape, but nothing of it is kept."""

from typing import TYPE_CHECKING

from tsuji.gateway.contents import Hearing, TapedFraming

if TYPE_CHECKING:
    from tsuji.gateway.driver import Driver
    from tsuji.gateway.framing import Framing
    from tsuji.ledger.record import Record
    from tsuji.ledger.spool import Spool
    from tsuji.routing.experiment import Experiment


class Ear:
    """A Hearing. tape: of what the route stores, which hears as well."""

    def __init__(self, driver: "Driver", experiment: "Experiment", tape: Hearing | None) -> None:
        self._driver = driver
        self._experiment = experiment
        self._tape = tape
        self._body: bytes | None = None
        self._stream: TapedFraming | None = None

    def answer(self, body: bytes) -> None:
        self._body = body
        if self._tape is not None:
            self._tape.answer(body)

    def framing(self, framing: "Framing") -> "Framing":
        inner = framing if self._tape is None else self._tape.framing(framing)
        self._stream = TapedFraming(inner, self._driver.dialect)
        return self._stream

    def keep(self, record: "Record", spool: "Spool") -> None:
        if self._tape is not None:
            self._tape.keep(record, spool)
        body = self._body
        if body is None and self._stream is not None:
            body = self._stream.spelled()
        if record.status == "done" and body is not None:
            self._driver.gateway.mirror.judge(self._driver, self._experiment, record.id, body)
