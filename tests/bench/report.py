"""The table as text, JSON and SVG; all three by hand, for nothing but python3-minimal is needed."""
from math import log

NAMES = {'kernel': 'kernel', 'gvisor': 'gVisor', 'lwip': 'lwIP', 'bare': 'bare responder', 'copying': 'copying',
         'spinning': 'never asleep', 'sockets': 'with sockets', 'grouping': 'sockets, grouped',
         'queues': 'copying, 2 queues', 'relay': 'bare relay'}


def digits(number):
    if number >= 1000:
        return '%.0f' % number
    return '%.1f' % number if number >= 100 else '%.2f' % number


def base_name(row):
    kind, _, rest = row.base.partition(':')
    return {'case': rest, 'limit': 'limit'}.get(kind) or NAMES[kind]


def head():
    return '%-49s %-6s %-14s %8s %8s %6s %-11s %-15s %s' % (
        '', 'unit', 'beside', 'weft', 'it', 'ratio', 'low-high', 'goal', 'floor')


def line(row, result):
    start = '%-49s %-6s %-14s' % (row.text, row.unit, base_name(row))
    if result is None:
        return start + '    not measured'
    goal = '' if result['met'] is None else '%-7s %s' % (row.goal, 'met' if result['met'] else 'not met')
    floor = result['floor_ratio'] and '%.2f %s' % (result['floor_ratio'], NAMES[row.floor])
    return ('%s %8s %8s %6.2f %-11s %-15s %s' % (
        start, digits(result['weft']), digits(result['beside']), result['ratio'],
        '%.2f-%.2f' % (result['low'], result['high']), goal, floor or '')).rstrip()


def quote(text):
    return '"%s"' % text.replace('\\', '\\\\').replace('"', '\\"')


def to_json(value):
    if value is None:
        return 'null'
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, float):
        return '%.6g' % value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict):
        return '{%s}' % ', '.join('%s: %s' % (quote(k), to_json(v)) for k, v in value.items())
    return '[%s]' % ', '.join(map(to_json, value))


def document(machine, table, figures):
    rows = [dict(row._asdict(), section=title, **(result or {})) for title, row, result in table]
    raw = [{'case': c, 'value': v, 'stack': s, 'runs': runs} for (c, v, s), runs in figures.of.items()]
    return '{"machine": %s,\n"failed": %s,\n"rows": [\n%s\n],\n"figures": [\n%s\n]}\n' % (
        to_json(machine), to_json(figures.failed), ',\n'.join(map(to_json, rows)), ',\n'.join(map(to_json, raw)))


# --- the plot: a line a row, its ratio as a dot with its extremes on a logarithmic axis, its goal and its floor as bars

LEFT, WIDTH, STEP, TOP = 430, 640, 16, 46
GOAL, FLOOR = '#1a56b0', '#c77700'
LOW, HIGH = 1 / 16, 16
TICKS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16)


def across(ratio):
    ratio = min(max(ratio, LOW), HIGH)
    return LEFT + WIDTH * log(ratio / LOW) / log(HIGH / LOW)


def escape(text):
    return text.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')


def svg_line(x1, y1, x2, y2, colour, width=1):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%s"/>' % (
        x1, y1, x2, y2, colour, width)


def svg_text(x, y, text, more=''):
    return '<text x="%.1f" y="%.1f" %s>%s</text>' % (x, y, more, escape(text))


def svg_row(y, row, result):
    colour = {None: '#555', True: '#197a3d', False: '#b3261e'}[result['met']]
    parts = [svg_text(LEFT - 8, y + 4, '%s / %s' % (row.text, base_name(row)), 'text-anchor="end"'),
             svg_line(across(result['low']), y, across(result['high']), y, colour, 2),
             '<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>' % (across(result['ratio']), y, colour),
             svg_text(LEFT + WIDTH + 8, y + 4, '%.2f %s' % (result['ratio'], row.goal and '(%s)' % row.goal))]
    for ratio, colour in ((row.goal and float(row.goal.split()[1]), GOAL), (result['floor_ratio'], FLOOR)):
        if ratio:
            x = across(ratio)
            parts.append(svg_line(x, y - 6, x, y + 6, colour, 2))
    return parts


def plot(machine, table):
    parts, y, title = [], TOP, None
    for section, row, result in table:
        if section != title:
            title, y = section, y + STEP * 1.6
            parts.append(svg_text(12, y, title, 'font-weight="bold"'))
            y += STEP
        if result is not None:
            parts += svg_row(y - 4, row, result)
            y += STEP
    grid = [svg_line(across(t), TOP, across(t), y, '#999' if t == 1 else '#ddd') for t in TICKS]
    grid += [svg_text(across(t), TOP - 6, '%g' % t if t >= 1 else '1/%g' % (1 / t), 'text-anchor="middle"')
             for t in TICKS]
    return '\n'.join(
        ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">'
         % (LEFT + WIDTH + 120, y + STEP), '<rect width="100%" height="100%" fill="white"/>',
         svg_text(12, 18, 'weft %(commit)s, Linux %(kernel)s, %(cpus)s CPUs (%(cpu)s): ratios' % machine,
                  'font-weight="bold"'),
         svg_text(LEFT, 18, 'goal', 'fill="%s"' % GOAL), svg_text(LEFT + 40, 18, 'floor', 'fill="%s"' % FLOOR)] + grid + parts + ['</svg>', ''])
