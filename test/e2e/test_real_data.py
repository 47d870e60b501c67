"""Real series, loaded through the proxy and read back value for value."""

import csv
import gzip
import io
import pathlib
import random
import unittest

import support

# Beside the checkout, where there is one; the tests need it not.
DATA = pathlib.Path(support.ROOT).parent / "shared" / "data"
FILES = sorted(DATA.glob("*.csv"))
BATCH = 1000


def made_up_file():
    """A file like the real ones: a series with gaps and repeated times, awkward decimals."""
    rng = random.Random(20)
    lines = ["timestamp,value"]
    minute = 0
    for number in range(5000):
        value = rng.choice((f"{rng.uniform(0, 100):.3f}", repr(rng.uniform(0, 100)),
                            f"{rng.randrange(10**7)}.0", str(rng.randrange(120)),
                            "51.846000000000004", "0.0", repr(rng.expovariate(1) * 1e-6)))
        day, rest = divmod(minute, 24 * 60)
        lines.append(f"2014-{2 + day // 28:02}-{1 + day % 28:02} "
                     f"{rest // 60:02}:{rest % 60:02}:00,{value}")
        # Now and then the clock stands still or is put back an hour.
        minute += rng.choices((5, 10, 300, 0, -60), (90, 5, 3, 1, 1))[0] if number else 60
    return "\n".join(lines) + "\n"


class RealDataTest(support.SharedProxyTestCase):
    settings = {"fsync": "off"}

    def assert_survives(self, name, text, compress):
        rows = list(csv.reader(io.StringIO(text)))
        self.assertEqual(rows.pop(0), ["timestamp", "value"])
        self.assertGreater(len(rows), 1000)
        expected = {}
        for time, value in rows:
            expected[time] = float(value)

        for _ in range(2):
            self.load(name, rows, compress)
            stored = self.cluster.rows(
                "SELECT to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), value, num "
                f"FROM telemetry.point WHERE device_id = '{name}' AND metric = 'value' "
                "ORDER BY ts")
            self.assertEqual([time for time, _, _ in stored], sorted(expected))
            for time, value, number in stored:
                # repr tells floats apart to the last bit.
                self.assertEqual((repr(float(value)), repr(float(number))),
                                 (repr(expected[time]), repr(expected[time])), (name, time))
        count, total = self.cluster.rows(
            f"SELECT count(*), sum(num) FROM telemetry.point WHERE device_id = '{name}'")[0]
        self.assertEqual(int(count), len(expected))
        self.assertAlmostEqual(float(total), sum(expected.values()),
                               delta=abs(float(total)) * 1e-9)

    def load(self, name, rows, compress):
        for first in range(0, len(rows), BATCH):
            part = rows[first:first + BATCH]
            # The numbers as the file has them.
            body = '{"data_points": [%s]}' % ",".join(
                '{"timestamp": "%sZ", "metric_name": "value", "value": %s}'
                % (time.replace(" ", "T"), value) for time, value in part)
            response = self.proxy.post(
                f"/api/v1/telemetry/devices/{name}/telemetry/batch",
                gzip.compress(body.encode(), 1) if compress else body,
                headers={"Content-Encoding": "gzip"} if compress else None)
            self.assertEqual(response.status, 200, response)
            self.assertEqual((response.json["success"], response.json["ingested_count"]),
                             (True, len(part)))

    @unittest.skipUnless(FILES, f"no files in {DATA}")
    def test_each_file_is_read_back_value_for_value_and_may_be_loaded_twice(self):
        for number, file in enumerate(FILES):
            with self.subTest(file.name):
                self.assert_survives(file.stem, file.read_text(), number % 2 == 1)

    @unittest.skipUnless(FILES, f"no files in {DATA}")
    def test_number_with_seventeen_digits_is_among_them(self):
        file = DATA / "ec2_cpu_utilization_5f5533.csv"
        if not file.exists():
            self.skipTest(f"no {file}")
        self.load("d", list(csv.reader(io.StringIO(file.read_text())))[1:], False)
        self.assertEqual(
            self.cluster.value("SELECT num FROM telemetry.point WHERE device_id = 'd' "
                               "AND ts = '2014-02-14 14:27:00+00'"), "51.846000000000004")

    def test_made_up_file_is_read_back_value_for_value_and_may_be_loaded_twice(self):
        text = made_up_file()
        self.assertIn(",51.846000000000004\n", text)
        times = [line.partition(",")[0] for line in text.splitlines()]
        self.assertLess(len(set(times)), len(times), "no time is repeated")
        self.assert_survives("made_up", text, False)


if __name__ == "__main__":
    unittest.main()
