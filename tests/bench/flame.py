"""A flame graph as SVG, by hand: callees above their callers, as wide as their share of the samples; what a piece went
for is its colour, and its name and share show under the pointer.
"""
from report import escape

WIDTH, STEP, TOP = 1200, 16, 40
LEAST = 0.4  # pixels
CHARACTER = 6.5
COLOURS = {'weft': '#d9e8fb', 'client': '#e6e6e6', 'kernel': '#f0f0f0', 'idle': '#ffffff'}
OWN = {'read': '#f3c78b', 'write': '#f3b36b', 'peer': '#e99a86', 'wake': '#d9705e', 'sleep': '#c9a0d8', 'unix': '#e3d26f',
       'copy': '#8fd0a0', 'clock': '#9fd8d0', 'prog': '#c6d69a'}
ROOM = '#7fb0ea'


class Node:
    def __init__(self):
        self.weight, self.below, self.columns = 0, {}, {}

    def add(self, names, weight, column):
        self.weight += weight
        self.columns[column] = self.columns.get(column, 0) + weight
        if names:
            self.below.setdefault(names[0], Node()).add(names[1:], weight, column)

    def depth(self):
        return 1 + max([node.depth() for node in self.below.values()], default=0)

    def colour(self):
        column = max(self.columns, key=self.columns.get)
        if column in ('client', 'its', 'idle', 'rest', 'calls'):
            return COLOURS['client' if column != 'idle' else 'idle']
        return OWN.get(column, ROOM)


def piece(name, node, left, bottom, scale, whole):
    wide = node.weight * scale
    if wide < LEAST:
        return []
    shown = name[:int(wide / CHARACTER)] if wide > 3 * CHARACTER else ''
    parts = ['<g><title>%s: %.1f %%</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" stroke="white" '
             'stroke-width="0.5"/><text x="%.1f" y="%d">%s</text></g>' % (
                 escape(name), 100 * node.weight / whole, left, bottom - STEP, wide, STEP, node.colour(), left + 2,
                 bottom - 4, escape(shown))]
    for below in sorted(node.below):
        parts += piece(below, node.below[below], left, bottom - STEP, scale, whole)
        left += node.below[below].weight * scale
    return parts


def graph(title, samples, column_of):
    root = Node()
    for sample in samples:
        names = [sample.side, sample.comm] + [frame.symbol for frame in reversed(sample.frames)]
        root.add(names, sample.weight, column_of(sample))
    high = TOP + STEP * root.depth()
    parts = piece(title, root, 0, high, WIDTH / max(root.weight, 1), max(root.weight, 1))
    return '\n'.join(['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" '
                      'font-size="10">' % (WIDTH, high), '<rect width="100%" height="100%" fill="white"/>'] + parts +
                     ['</svg>', ''])
