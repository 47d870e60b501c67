#!/usr/bin/python3
"""Draws doc/alerts.svg of what psql has to say: see "A worked example" in doc/alerts.md.

Reads lines of fields separated by | from standard input, times in seconds since 1970:

    hour|TIME|LEAST|GREATEST   an hour of the series
    alert|FROM|TO              an alert
    failure|FROM|TO|LABEL      what is known to have happened
    line|VALUE|LABEL           a threshold

and writes SVG to standard output.
"""

import datetime
import html
import sys

WIDTH, HEIGHT = 1000, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 160, 68, 62
WEEK = 7 * 86400
VALUES = range(0, 121, 20)
STYLE = """
text { font: 13px sans-serif; fill: #333 }
.title { font-size: 15px; font-weight: bold }
.grid { stroke: #e4e4e4 }
.axis { stroke: #888 }
.series { fill: #1f5fa8; stroke: #1f5fa8 }
.alert { fill: #d9480f; fill-opacity: 0.3 }
.failure { fill: #333 }
.threshold { stroke: #b02a0a; stroke-dasharray: 6 4 }
"""


def read(lines):
    """The fields of each kind of line."""
    kinds = {"hour": [], "alert": [], "failure": [], "line": []}
    for line in lines:
        kind, *fields = line.rstrip("\n").split("|")
        kinds[kind].append(fields)
    return kinds


class Chart:
    """Puts elements where their times and values belong."""

    def __init__(self, begin, end):
        self.begin, self.end = begin, end
        self.out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">',
                    f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']

    def x(self, time):
        return LEFT + (time - self.begin) / (self.end - self.begin) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - value / VALUES[-1] * (HEIGHT - TOP - BOTTOM)

    def line(self, kind, x1, y1, x2, y2):
        self.out.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def rect(self, kind, x1, y1, x2, y2):
        self.out.append(f'<rect class="{kind}" x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}"/>')

    def text(self, x, y, text, anchor="middle", kind=""):
        self.out.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>')

    def draw_series(self, hours):
        """All that lies between the extremes of the hours."""
        outline = [(time, most) for time, _, most in hours] + [(time, least) for time, least, _ in reversed(hours)]
        places = " ".join(f"{self.x(time):.1f},{self.y(value):.1f}" for time, value in outline)
        self.out.append(f'<polygon class="series" points="{places}"/>')

    def draw_axes(self):
        for value in VALUES:
            self.line("grid", LEFT, self.y(value), WIDTH - RIGHT, self.y(value))
            self.text(LEFT - 8, self.y(value) + 4, str(value), "end")
        # Weeks from Mondays: the first of January 1970 was a Thursday.
        monday = (self.begin - 4 * 86400) // WEEK * WEEK + 4 * 86400
        for time in range(int(monday), int(self.end), WEEK):
            if time < self.begin:
                continue
            day = datetime.datetime.fromtimestamp(time, datetime.timezone.utc)
            self.line("axis", self.x(time), self.y(0), self.x(time), self.y(0) + 5)
            self.text(self.x(time), self.y(0) + 20, f"{day.day} {day:%b}")
        self.line("axis", LEFT, self.y(0), WIDTH - RIGHT, self.y(0))
        self.out.append(f'<text transform="translate(20 {self.y(VALUES[-1] / 2):.1f}) rotate(-90)" text-anchor="middle">temperature</text>')

    def draw_legend(self, parts):
        x, y = LEFT, HEIGHT - 18
        for kind, label in parts:
            if kind == "threshold":
                self.line(kind, x, y - 4, x + 22, y - 4)
            else:
                self.rect(kind, x, y - 10, x + 22, y + 2)
            self.text(x + 28, y, label, "start")
            x += 50 + 7 * len(label)


def main():
    kinds = read(sys.stdin)
    hours = [tuple(map(float, fields)) for fields in kinds["hour"]]
    chart = Chart(hours[0][0], hours[-1][0] + 3600)
    chart.text(LEFT, 22, "A machine's temperature, December 2013 to February 2014", "start", "title")
    chart.draw_axes()
    for begin, end in kinds["alert"]:
        chart.rect("alert", chart.x(float(begin)), TOP, chart.x(float(end)), chart.y(0))
    chart.draw_series(hours)
    for value, label in kinds["line"]:
        chart.line("threshold", LEFT, chart.y(float(value)), WIDTH - RIGHT, chart.y(float(value)))
        chart.text(WIDTH - RIGHT + 8, chart.y(float(value)) + 4, label, "start")
    for begin, end, label in kinds["failure"]:
        chart.rect("failure", chart.x(float(begin)), TOP - 8, chart.x(float(end)), TOP - 2)
        chart.text(chart.x((float(begin) + float(end)) / 2), TOP - 14, label)
    chart.draw_legend([("series", "least to greatest of each hour"), ("alert", "alert"), ("failure", "known failure"),
                       ("threshold", "threshold")])
    print("\n".join(chart.out + ["</svg>"]))


if __name__ == "__main__":
    main()
