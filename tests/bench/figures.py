"""Figures of a run: kept by case, value and stack, one a round; medians, spreads and ratios of them."""


def median(numbers):
    """Of an even count the lower one: a figure that was measured."""
    return sorted(numbers)[(len(numbers) - 1) // 2]


class Figures:
    def __init__(self):
        self.of = {}
        self.failed = []

    def add(self, case, value, stack, number):
        self.of.setdefault((case, value, stack), []).append(number)

    def fail(self, text):
        self.failed.append(text)

    def get(self, case, value, stack):
        return self.of.get((case, value, stack), [])

    def result(self, row):
        """The row's medians, and the median and extremes of the ratios of each round; None: not measured."""
        weft, base, ratios = self.compared(row, 'weft')
        if not ratios:
            return None
        floor = self.compared(row, row.floor)[2]
        return {'weft': median(weft), 'beside': median(base), 'ratio': median(ratios), 'low': min(ratios),
                'high': max(ratios), 'runs': len(ratios), 'met': met(row.goal, median(ratios)),
                'floor_ratio': median(floor) if floor else None}

    def compared(self, row, stack):
        """The figures of a stack, those of who it is compared with, and their ratios by rounds."""
        own = self.get(row.case, row.value, stack)
        kind, _, rest = row.base.partition(':')
        if kind == 'limit':
            base = [float(rest)] * len(own)
        elif kind == 'case':
            base = self.get(rest, row.value, stack)
        else:
            base = self.get(row.case, row.value, row.base)
        return own, base, [a / b for a, b in zip(own, base) if b]


def met(goal, ratio):
    """None: there is no goal."""
    if not goal:
        return None
    sign, limit = goal.split()
    # The goals have two digits, and so has what is compared with them.
    return round(ratio, 2) >= float(limit) if sign == '>=' else round(ratio, 2) <= float(limit)
