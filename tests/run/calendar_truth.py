# SPDX-License-Identifier: MIT
"""calendar_truth.py FILE FROM TO: the windows of a trading calendar as Python's zoneinfo has them, a line each: name, start
and end in ns since 1970. Reads the file by configparser; see sampler/phases/calendar.h for what it means. All that have a
part in the days FROM to TO, the last one included.
"""
import configparser
import datetime as dt
import re
import sys
import zoneinfo

WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def weekdays(text):
    days = set()
    for word in re.split(r"[ \t,]+", text.strip()):
        first, _, last = word.partition("-")
        day = WEEK.index(first)
        days.add(day)
        while last and WEEK[day] != last:
            day = (day + 1) % 7
            days.add(day)
    return days


def dates(text):
    return {dt.date.fromisoformat(word) for word in re.split(r"[ \t\n,]+", text) if word}


def clock(text):
    part = re.fullmatch(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d\d\d))?)?", text)
    h, m, s, ms = (int(p or 0) for p in part.groups())
    return dt.timedelta(hours=h, minutes=m, seconds=s, milliseconds=ms)


class Calendar:
    def __init__(self, path):
        self.ini = configparser.ConfigParser(
            delimiters="=", inline_comment_prefixes=(";",), interpolation=None)
        self.ini.read(path)
        head = self.ini["calendar"]
        self.zone = zoneinfo.ZoneInfo(head["zone"])
        self.weekdays = weekdays(head.get("weekdays", "mon-fri"))
        self.holidays = dates(head.get("holidays", ""))
        self.half_days = dates(head.get("half_days", ""))
        self.sections = {s.split()[1]: self.ini[s] for s in self.ini.sections() if s != "calendar"}
        self.phases = [s.split()[1] for s in self.ini.sections() if s.startswith("phase ")]

    def moment(self, text, half):
        """From the begin of the day."""
        if text[0].isdigit() and text[2] == ":":
            time, _, days = text.partition("+")
            return clock(time) + dt.timedelta(days=int(days[:-1]) if days else 0)
        name, edge, sign, offset = re.fullmatch(r"(\w+)(\.start|\.end)?(?:([+-])(.*))?", text).groups()
        at = self.edges(name, half)[edge == ".end"]
        if sign:
            at += clock(offset) if sign == "+" else -clock(offset)
        return at

    def edges(self, name, half):
        section = self.sections[name]
        if name not in self.phases:
            return [self.moment(section["half_day"] if half and "half_day" in section else section["at"], half)]
        start = self.moment(section["half_day_from"] if half and "half_day_from" in section else section["from"], half)
        text = section["half_day_to"] if half and "half_day_to" in section else section["to"]
        # Of an end that is told by the own begin.
        own = re.fullmatch(name + r"(?:\.start)?\+(.*)", text)
        end = start + clock(own[1]) if own else self.moment(text, half)
        return [start, end if end > start else end + dt.timedelta(days=1)]

    def instant(self, day, after):
        wall = dt.datetime.combine(day, dt.time()) + after
        utc = wall.replace(tzinfo=self.zone, fold=0).astimezone(dt.timezone.utc)
        since = utc - dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
        return (since // dt.timedelta(microseconds=1)) * 1000

    def day(self, day):
        half = day in self.half_days
        for name in self.phases:
            section = self.sections[name]
            of_week = weekdays(section["weekdays"]) if "weekdays" in section else self.weekdays
            if day in self.holidays or day.weekday() not in of_week or (half and section.get("half_day") == "none"):
                continue
            start, end = (self.instant(day, after) for after in self.edges(name, half))
            if start < end:
                yield name, start, end


def main(path, first, last):
    calendar = Calendar(path)
    first, last = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    begin = calendar.instant(first, dt.timedelta())
    end = calendar.instant(last, dt.timedelta(days=1))
    found = []
    day = first - dt.timedelta(days=9)
    while day <= last + dt.timedelta(days=2):
        found += [w for w in calendar.day(day) if w[1] < end and w[2] > begin]
        day += dt.timedelta(days=1)
    for name, start, stop in sorted(found, key=lambda w: (w[1], -w[2], w[0])):
        print(name, start, stop)


main(*sys.argv[1:])
