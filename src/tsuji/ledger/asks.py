"""What a worker and the process that lends to it tell each other. See leases for what it means in SQL."""

import msgspec


class Ask(msgspec.Struct, array_like=True):
    """What a worker says of one of its leases.

    lease: its id, which the worker makes. granted, returned: all that the worker has ever heard of, and given back.
    need: what waits for it, together. least: the least of that which is of use by itself. lump: more that would be
    welcome. fresh: the worker has never heard of its lease. closed: nothing more will be taken of it.
    """

    lease: str
    limit: str
    subject: str
    window: int
    granted: int = 0
    returned: int = 0
    need: int = 0
    least: int = 0
    lump: int = 0
    fresh: bool = False
    closed: bool = False


class Granted(msgspec.Struct, array_like=True):
    """The answer. granted: in all, ever. left: for anyone, after this. others: held by other workers, where there was
    less than was needed; else 0. resets: when something that was spent comes back, in microseconds since 1970; None:
    never, or that is not why. lost: there is no such lease, any more; or no such limit.
    """

    lease: str
    granted: int
    left: int = 0
    short: bool = False
    others: int = 0
    resets: int | None = None
    lost: bool = False
