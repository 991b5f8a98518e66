"""Sums of weighted values, from which means and variances are told at any time."""

from math import nan

import msgspec


class Sums(msgspec.Struct):
    """Of one arm and one metric. Each value weighs 1 / p, p being the probability with which its unit fell to this arm.

    So means stay right when shares change on the way, or follow what is learnt: the ratio (Hajek) form of the inverse
    propensity estimator, which is the plain mean where p is always the same. shift: of the values, near them, against
    cancellation; the first value.
    """

    n: int = 0
    shift: float = 0.0
    w: float = 0.0
    wy: float = 0.0
    ww: float = 0.0
    wwy: float = 0.0
    wwyy: float = 0.0
    plain: float = 0.0

    def add(self, value: float, p: float) -> None:
        """p: above 0, at most 1."""
        if self.n == 0:
            self.shift = value
        y, w = value - self.shift, 1.0 / p
        self.n += 1
        self.w += w
        self.wy += w * y
        self.ww += w * w
        self.wwy += w * w * y
        self.wwyy += w * w * y * y
        self.plain += y

    @property
    def mean(self) -> float:
        """NaN where there is nothing."""
        return self.shift + self.wy / self.w if self.n else nan

    @property
    def total(self) -> float:
        """Of the values, without weights."""
        return self.plain + self.n * self.shift

    @property
    def variance(self) -> float:
        """Of the mean, as it is estimated; NaN where there are fewer than two values."""
        if self.n < 2:
            return nan
        m = self.wy / self.w
        left = max(self.wwyy - 2 * m * self.wwy + m * m * self.ww, 0.0)
        return left / (self.w * self.w) * self.n / (self.n - 1)
