"""One row of the catalogue: read, and held against the dialects that it names."""

from collections.abc import Iterator
from pathlib import Path

from tsuji.core.errors import ConfigError
from tsuji.core.provider import OF_CREDENTIALS, OPERATIONS, Auth, Provider, Quirks, placeholders
from tsuji.wire import DIALECTS, dialect
from tsuji.wire.tasks import TASKS

Where = tuple[str, ...]
"""Keys from the top of a provider's table down."""


def load_row(path: Path) -> Provider:
    """One row: no unknown field, no wrong type, named as its id, and without `mistakes`.

    Raises ConfigError with the file's name.
    """
    import tomllib

    import msgspec

    try:
        row = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Provider)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"provider row {path.name}: {error}") from None
    if row.id != path.stem:
        raise ConfigError(f"provider row {path.name}: its id is {row.id!r}; it must be the file's name")
    for where, message in mistakes(row):
        raise ConfigError(f"provider row {path.name}: {'.'.join(where)}: {message}")
    if unused := set(row.settings) - {*_placeholders(row), OF_CREDENTIALS.get(row.auth.keyless)}:
        raise ConfigError(f"provider row {path.name}: settings.{min(unused)}: no base_url has it")
    return row


def mistakes(provider: Provider) -> Iterator[tuple[Where, str]]:
    """What no type says: quirks name fields of their dialect, placeholders have settings, endpoints are paths."""
    if provider.dialect not in DIALECTS:
        yield ("dialect",), f"there is no dialect {provider.dialect!r}; there are {', '.join(DIALECTS)}"
        return
    known = {*provider.settings, OF_CREDENTIALS.get(provider.auth.keyless)}
    for name in placeholders(provider.base_url):
        if name not in known:
            yield ("base_url",), f"{{{name}}} needs a setting of that name"
    yield from _of_dialect(provider.dialect, provider.endpoints, provider.quirks, ())
    yield from _of_auth(provider.auth, ())
    for name, variant in provider.dialects.items():
        where = ("dialects", name)
        if name not in DIALECTS or name == provider.dialect:
            others = ", ".join([other for other in DIALECTS if other != provider.dialect])
            yield where, f"is no other dialect than the provider's own; there are {others}"
            continue
        for placeholder in placeholders(variant.base_url or ""):
            if placeholder not in known:
                yield (*where, "base_url"), f"{{{placeholder}}} needs a setting of that name"
        yield from _of_dialect(name, variant.endpoints, variant.quirks, where)
        if variant.auth is not None:
            yield from _of_auth(variant.auth, where)


def nearest(name: str, known: tuple[str, ...]) -> str:
    """The end of an error message: the nearest of the known names, or all of them."""
    from difflib import get_close_matches

    close = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"


def _of_dialect(name: str, endpoints: dict[str, str], quirks: Quirks, where: Where) -> Iterator[tuple[Where, str]]:
    for operation, path in endpoints.items():
        if operation not in OPERATIONS:
            yield (*where, "endpoints", operation), f"is no operation; {nearest(operation, OPERATIONS)}"
        elif not path.startswith("/"):
            yield (*where, "endpoints", operation), "must begin with '/'; it comes after base_url"
    tables = {table: getattr(quirks, table) for table in ("drop", "rename", "defaults", "accepts")}
    tables["thinking_off"] = (quirks.thinking_off,) if quirks.thinking_off else ()
    for task in quirks.tasks:
        if task not in TASKS:
            yield (*where, "quirks", "tasks"), f"{task!r} is nothing that vectors are for; {nearest(task, TASKS)}"
    if not any(tables.values()):
        return  # a dialect is loaded for those alone who name its fields
    fields = dialect(name).fields | dialect(name).embedding_fields
    for table, named in tables.items():
        for field in named:
            if field not in fields:
                near = nearest(field, tuple(sorted(fields)))
                yield (*where, "quirks", table), f"{field!r} is no request field of the {name} dialect; {near}"


def _of_auth(auth: Auth, where: Where) -> Iterator[tuple[Where, str]]:
    for keyless, needed in (("aws", "service"), ("entra", "scope")):
        if auth.keyless == keyless and not getattr(auth, needed):
            yield (*where, "auth", needed), f"is needed where keyless is {keyless!r}"


def _placeholders(row: Provider) -> tuple[str, ...]:
    variants = [variant.base_url or "" for variant in row.dialects.values()]
    return placeholders(" ".join([row.base_url, *variants]))
