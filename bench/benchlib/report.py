"""One figure of the result, and the table of all."""

import statistics
from dataclasses import asdict, dataclass, field


def pairwise(above, below):
    """The ratio round by round: what drifts on the machine drifts in both of one round."""
    return [a / b for a, b in zip(above, below)]


@dataclass
class Figure:
    work: str                # "PUT 1 GiB, unsigned payload"
    what: str                # "gateway CPU s"
    values: list             # one for each round; s3mirror's, unless `work` says otherwise
    base_name: str = ""      # "raw", "raw + SHA-256 alone", "two backends"
    base: list = field(default_factory=list)
    at_most: float | None = None   # the target, for the ratio where `of_ratio`, else for the value
    at_least: float | None = None
    of_ratio: bool = False

    @property
    def ratios(self):
        return pairwise(self.values, self.base) if self.base else []

    @property
    def judged(self):
        return statistics.median(self.ratios if self.of_ratio else self.values)

    @property
    def met(self):
        """None where there is nothing to reach."""
        if self.at_most is not None:
            return self.judged <= self.at_most
        if self.at_least is not None:
            return self.judged >= self.at_least
        return None

    @property
    def target(self):
        kind = "x" if self.of_ratio else ""
        if self.at_most is not None:
            return f"<= {short(self.at_most)}{kind}"
        if self.at_least is not None:
            return f">= {short(self.at_least)}{kind}"
        return ""

    @property
    def verdict(self):
        if self.met is None:
            return ""
        if self.met:
            return "met"
        limit = self.at_most if self.at_most is not None else self.at_least
        return f"missed by {abs(self.judged / limit - 1):.0%}" if limit else "missed"

    def as_json(self):
        return asdict(self) | {"median": middle(self.values), "base_median": middle(self.base), "ratios": self.ratios,
                               "ratio_median": middle(self.ratios), "met": self.met}


def middle(values):
    return statistics.median(values) if values else None


def short(number):
    if number >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}" if number < 1 else f"{number:.4g}"


def spread(values):
    """Median, and the range it comes from."""
    if not values:
        return ""
    if len(values) == 1:
        return short(values[0])
    return f"{short(middle(values))} ({short(min(values))}..{short(max(values))})"


COLUMNS = ("work", "figure", "measured", "compared with", "ratio", "target", "")


def table(figures, judge=True):
    """`judge`: with the targets and whether they were met."""
    rows = [COLUMNS if judge else COLUMNS[:-2]]
    for f in figures:
        base = f"{f.base_name} {spread(f.base)}".strip()
        row = (f.work, f.what, spread(f.values), base, spread(f.ratios), f.target, f.verdict)
        rows.append(row[:len(rows[0])])
    widths = [max(map(len, cells)) for cells in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
