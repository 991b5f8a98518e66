"""Which providers of a tsuji.toml are needed: rows of the catalogue as they are, rows changed, and copies of rows.

One provider has one address and one key. Where a configuration uses several with one row of the catalogue, each but the
first is a provider of one's own with that row's dialect and quirks.
"""

import re
import tomllib
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import fields

from tsuji import catalog
from tsuji.config.schema import ProviderTable, VariantTable

from .draft import Draft, Table, table

_ENDINGS = ("/chat/completions", "/v1/messages", "/messages", "/embeddings", "/completions")


class Providers:
    """Names are given when all wishes are known: `wish` says what a target needs, `settle` what its provider is
    called.
    """

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._wishes: dict[str, list[Table]] = {}

    def wish(self, id: str, wanted: Table) -> tuple[str, int]:
        """id: of the catalogue, or one's own. wanted: what differs from the catalogue's row; empty: nothing."""
        row = catalog.provider(id) if id in catalog.provider_ids() else None
        if row is not None and row.env and wanted.get("api_key") == f"env:{row.env[0]}":
            wanted = {key: value for key, value in wanted.items() if key != "api_key"}
        known = self._wishes.setdefault(id, [])
        if wanted not in known:
            known.append(wanted)
        return id, known.index(wanted)

    def settle(self) -> dict[tuple[str, int], str]:
        """Writes the tables. The row as it is keeps its name; without one, the first that differs."""
        names: dict[tuple[str, int], str] = {}
        for id, wishes in self._wishes.items():
            first = wishes.index({}) if {} in wishes else 0
            for at, wanted in enumerate(wishes):
                if at == first:
                    names[id, at] = id
                    if wanted:
                        self._draft.providers[id] = wanted
                    continue
                names[id, at] = name = self._free(id, wanted)
                self._draft.providers[name] = copied(id, wanted)
        return names

    def _free(self, id: str, wanted: Table) -> str:
        host = (urlsplit(str(wanted.get("base_url", ""))).hostname or "").partition(".")[0]
        settings = table(wanted.get("settings"))
        region = settings.get("region") or settings.get("location")
        ending = re.sub(r"[^a-z0-9-]", "-", str(region or host).lower()) or "2"
        taken = {*self._draft.providers, *catalog.provider_ids(), *self._wishes}
        choices = [f"{id}-{ending}", *[f"{id}-{number}" for number in range(2, len(taken) + 3)]]
        return next(name for name in choices if name not in taken)


def copied(id: str, wanted: Table) -> Table:
    """The catalogue's row as a provider of one's own, with `wanted` on top. Of a provider of one's own: `wanted`."""
    if id not in catalog.provider_ids():
        return wanted
    row = tomllib.loads((catalog.ROWS / f"{id}.toml").read_text("utf-8"))
    own = {field.name for field in fields(ProviderTable)} - {"name", "settings"}
    found: Table = {key: value for key, value in row.items() if key in own}
    for name, value in table(wanted.get("settings")).items():
        host = row.get("settings", {}).get(name, {}).get("hosts", {}).get(value)
        if host:  # a region whose host is not made of its name
            address = str(found["base_url"])
            found["base_url"] = address.replace(urlsplit(address).netloc, host)
    moved = "base_url" in wanted
    variant = {field.name for field in fields(VariantTable)}
    dialects: dict[str, Table] = {
        name: {key: value for key, value in one.items() if key in variant}
        for name, one in found.pop("dialects", {}).items()
        if not (moved and "base_url" in one)
    }
    return {**found, **({"dialects": dialects} if dialects else {}), **wanted}


def base_url(draft: Draft, id: str, given: Any, env: dict[str, str]) -> str | None:
    """An address as the row's dialect takes it. env: of the machine, for an address that is a variable's value."""
    text = str(given).strip()
    if text.startswith("os.environ/"):
        name = text.removeprefix("os.environ/")
        if name not in env:
            place = f"https://{name.lower().replace('_', '-')}.invalid"
            draft.note(f"base_url: its address was in the variable {name}, which is not set here; write it in place of "
                       f"{place}")  # fmt: skip
            return place
        text = env[name]
    if not text.startswith(("http://", "https://")):
        draft.note(f"base_url: {text!r} is no address; it is left out")
        return None
    if "@" in urlsplit(text).netloc:
        scheme, _, rest = text.partition("://")
        text = f"{scheme}://{rest.partition('@')[2]}"
        draft.note(f"base_url: {text} had a user and a password in it, which are left out; write api_key, or a header")
    text = text.partition("?")[0].rstrip("/")
    for ending in _ENDINGS:
        text = text.removesuffix(ending)
    row = catalog.provider(id) if id in catalog.provider_ids() else None
    if row is not None and row.dialect == "anthropic":
        return text.removesuffix("/v1")
    if id == "ollama" and not text.endswith("/v1"):
        return text.removesuffix("/api") + "/v1"
    if id in ("azureopenai", "azure") and "/openai" not in text:
        return text.removesuffix("/models") + "/openai/v1"
    if id in ("azureopenai", "azure"):
        return text.partition("/openai")[0] + "/openai/v1"
    return text
