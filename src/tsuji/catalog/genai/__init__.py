"""The genai-prices package's data without its code.

Owns loading that package's data module (https://github.com/pydantic/genai-prices, MIT) against small classes of our
own, in `types`, and finding a model in it by the data's own rules. Its own classes pull in pydantic and an HTTP client:
0.2 s and 27 MB, against 0.02 s and 6 MB. It refuses to fetch newer data: a newer package is newer data.
"""

from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from warnings import warn

from .types import ModelInfo, Provider


@cache
def providers() -> tuple[Provider, ...]:
    """All providers of the data; none where the package is not installed, or, with a warning, is one we cannot read."""
    folder = _folder()
    if folder is None:
        return ()
    try:
        return _load(folder)
    except Exception as error:
        # A newer package may say what `types` does not know. Prices are then unknown; requests must not fail for it.
        warn(f"the prices of {version()} cannot be read ({error!r}): costs will be unknown", stacklevel=2)
        return ()


def _load(folder: Path) -> tuple[Provider, ...]:
    # Named as a submodule of this package, so that the data module's `from .types import *` finds our classes.
    spec = spec_from_file_location(f"{__name__}.data", folder / "data.py")
    assert spec is not None and spec.loader is not None, "a .py file always has a loader"
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return tuple(module.providers)


@cache
def version() -> str:
    """The data's version, "genai-prices 0.2.3"; "" where the package is not installed."""
    folder = _folder()
    # importlib.metadata would cost more than loading the data.
    found = sorted(folder.parent.glob("genai_prices-*.dist-info")) if folder else []
    return "genai-prices " + found[-1].name.split("-")[1].removesuffix(".dist") if found else ""


def find_model(provider: str, model: str) -> tuple[Provider, ModelInfo] | None:
    """The model that `provider` (an id of the data) calls `model`, and whose price list it stands in."""
    for known in providers():
        if known.id == provider:
            return known.find_model(model, providers())
    return None


def _folder() -> Path | None:
    spec = find_spec("genai_prices")
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None
