"""How providers go wrong. Times are those of the table, times `scale`."""

from .provider import TOKENS, Ask, Behaviour

LONG = 3600.0


async def good(ask: Ask) -> None:
    await ask.answer()


async def good_without_prefill(ask: Ask) -> None:
    await ask.answer(prefill=False)


async def limited_once(ask: Ask) -> None:
    if ask.number == 1:
        await ask.error(429, "slow down", "rate_limit_exceeded", "Retry-After: 2")
    else:
        await ask.answer()


async def limited(ask: Ask) -> None:
    await ask.error(429, "slow down", "rate_limit_exceeded")


async def fails_once(ask: Ask) -> None:
    if ask.number == 1:
        await ask.error(500, "oops")
    else:
        await ask.answer()


async def fails(ask: Ask) -> None:
    await ask.error(500, "oops")


async def overloaded(ask: Ask) -> None:
    await ask.error(503, "overloaded")


async def resets_once(ask: Ask) -> None:
    if ask.number == 1:
        ask.reset()
    else:
        await ask.answer()


async def silent(ask: Ask) -> None:
    await ask.sleep(LONG)


def late(scale: float) -> Behaviour:
    async def behave(ask: Ask) -> None:
        if ask.stream:
            await ask.head(200, "text/event-stream")
            await ask.sleep(20 * scale)
            await ask.role()
            await ask.tokens(TOKENS)
            await ask.finish(len(TOKENS))
        else:
            body = ask.whole()
            await ask.head(200, length=len(body))
            await ask.sleep(20 * scale)
            await ask.send(body)

    return behave


async def dies(ask: Ask) -> None:
    if ask.stream:
        await ask.begin(TOKENS[:40])
        ask.reset()
    else:
        body = ask.whole()
        await ask.head(200, length=len(body))
        await ask.send(body[: len(body) * 2 // 3])
        await ask.sleep(0.02)
        ask.reset()


async def stalls_once(ask: Ask) -> None:
    if ask.number > 1:
        await ask.answer()
    elif ask.stream:
        await ask.begin(TOKENS[:20])
        await ask.sleep(LONG)
    else:
        body = ask.whole()
        await ask.head(200, length=len(body))
        await ask.send(body[: len(body) // 3])
        await ask.sleep(LONG)


async def malformed(ask: Ask) -> None:
    if ask.stream:
        await ask.begin(TOKENS[:30])
        await ask.chunk(ask.event({"content": ""})[:60] + b"\n\n")
        await ask.tokens(TOKENS[30:])
        await ask.finish(len(TOKENS))
    else:
        await ask.document(200, ask.whole().replace(b'"choices": [', b'"choices": [}', 1))


async def endless(ask: Ask) -> None:
    """Complete, but for [DONE] and the end of the body."""
    await ask.begin(TOKENS)
    await ask.chunk(ask.event({}, "stop"))
    await ask.chunk(ask.usage_event(len(TOKENS)))
    await ask.sleep(LONG)


async def too_long(ask: Ask) -> None:
    await ask.error(400, "This model's maximum context length is 10 tokens.", "context_length_exceeded")


async def filtered(ask: Ask) -> None:
    await ask.error(400, "The response was filtered by our content policy.", "content_filter")


def down(seconds: float) -> Behaviour:
    async def behave(ask: Ask) -> None:
        if ask.since < seconds:
            await ask.error(503, "down")
        else:
            await ask.answer()

    return behave


ERROR = b'data: {"error":{"message":"overloaded","type":"server_error","code":null}}\n\n'


def breaks(after: int) -> Behaviour:
    """An error inside of an answer that began well."""

    async def behave(ask: Ask) -> None:
        if ask.stream:
            await ask.head(200, "text/event-stream")
            if after:
                await ask.role()
                await ask.tokens(TOKENS[:after])
            await ask.chunk(ERROR)
            await ask.end()
        else:
            await ask.document(200, ERROR[6:].strip())

    return behave


async def web_page(ask: Ask) -> None:
    await ask.document(200, b"<!doctype html><html><body>Bad gateway</body></html>", kind="text/html")


async def wrong_type(ask: Ask) -> None:
    await ask.document(200, b"hello, world", kind="text/plain")


async def truncated(ask: Ask) -> None:
    """A body that is whole by its framing, and ends in the middle of its JSON."""
    if ask.stream:
        await ask.head(200, "text/event-stream")
        await ask.chunk(ask.event({"role": "assistant", "content": TOKENS[0]})[:70])
        await ask.end()
    else:
        await ask.document(200, ask.whole()[:200])


async def not_gzip(ask: Ask) -> None:
    kind = "text/event-stream" if ask.stream else "application/json"
    await ask.document(200, b"\x1f\x8bnot gzip at all" * 9, "Content-Encoding: gzip", kind=kind)


def drips(scale: float) -> Behaviour:
    async def behave(ask: Ask) -> None:
        if ask.stream:
            await ask.begin(TOKENS, 10 * scale)
            await ask.finish(len(TOKENS))
        else:
            body = ask.whole()
            await ask.head(200, length=len(body))
            for at in range(len(body)):
                await ask.send(body[at : at + 1])
                await ask.sleep(10 * scale)

    return behave


def slow_once(number: int, seconds: float) -> Behaviour:
    """Quick, but for one request."""

    async def behave(ask: Ask) -> None:
        await ask.sleep(seconds if ask.number == number else 0.01)
        await ask.answer()

    return behave


async def long_winded(ask: Ask) -> None:
    """Whose answer has no end."""
    if ask.stream:
        await ask.begin(TOKENS * 1000, 0.05)
    else:
        await ask.sleep(LONG)
