"""The admin API beside a gateway: `python -m tsuji.control [FILE]`.

The first line of its standard output is its URL; the end of its standard input, which its parent's death is too, ends
it.
"""

import logging
import sys
from pathlib import Path

from tsuji.config import load_config
from tsuji.core.errors import TsujiError

from .run import serve


def main() -> None:
    logging.basicConfig(format="%(message)s")
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else None

    def tell(url: str) -> None:
        sys.stdout.write(url + "\n")
        sys.stdout.flush()

    try:
        sys.exit(serve(load_config(path), path, tell, until_input_ends=True))
    except TsujiError as error:
        sys.exit(f"tsuji: {error}")


if __name__ == "__main__":
    main()
