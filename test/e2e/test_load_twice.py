"""The same points loaded again change nothing; a changed value wins; concurrently, too."""

import random
import threading
import unittest

import load
import support

DEVICES = 20
METRICS = ("temperature", "state")
POINTS = 200     # of each series
COLUMNS = "telemetry.point (ts, device_id, metric, value)"


def make_rows(seed):
    """{(device, metric, number): value as JSON text}, numbers being milliseconds."""
    rng = random.Random(seed)
    rows = {}
    for device in range(DEVICES):
        for metric in METRICS:
            for number in range(POINTS):
                value = (repr(rng.uniform(-1e3, 1e3)) if metric == "temperature"
                         else rng.choice(('"open"', '"closed"', "true", '{"a": 1}')))
                rows[f"d{device}", metric, number * 1000] = value
    return rows


def as_csv(rows):
    return "".join('{},{},{},"{}"\n'.format(load.timestamp(number), device, metric,
                                           value.replace('"', '""'))
                   for (device, metric, number), value in rows.items())


class LoadTwiceTest(support.SharedProxyTestCase):
    settings = {"fsync": "off"}

    def copy(self, rows):
        answer = self.cluster.copy_in(
            COLUMNS, as_csv(rows), "(FORMAT csv)",
            then="SELECT received, accepted, duplicates, rejected FROM telemetry.ingest_result()")
        self.assertEqual(answer.strip(), f"{len(rows)},{len(rows)},0,0")

    def post(self, rows, batch_id=None):
        devices = {}
        for (device, metric, number), value in rows.items():
            devices.setdefault(device, []).append(
                '{"timestamp": "%s", "metric_name": "%s", "value": %s}'
                % (load.timestamp(number), metric, value))
        for device, points in devices.items():
            for first in range(0, len(points), 1000):
                part = points[first:first + 1000]
                members = f'"batch_id": "{batch_id}-{first}", ' if batch_id else ""
                response = self.proxy.post(
                    f"/api/v1/telemetry/devices/{device}/telemetry/batch",
                    "{%s\"data_points\": [%s]}" % (members, ",".join(part)))
                self.assertEqual(response.status, 200, response)
                self.assertEqual(response.json["ingested_count"], len(part))

    def stored(self):
        rows = self.cluster.rows(
            "SELECT device_id, metric, (extract(epoch FROM ts - " + load.START_SQL + ") * 1000)"
            "::bigint, value FROM telemetry.point")
        found = {(device, metric, int(number)): value for device, metric, number, value in rows}
        self.assertEqual(len(found), len(rows), "a key is stored twice")
        return found

    def counts(self):
        """What people count, each asked for in its own way."""
        return self.cluster.rows(
            "SELECT count(*), count(num), count(DISTINCT device_id) FROM telemetry.point "
            "UNION ALL SELECT count(*), 0, 0 FROM telemetry.point WHERE device_id = 'd7' "
            "UNION ALL SELECT count(*), 0, 0 FROM telemetry.point WHERE metric = 'state' "
            "AND ts < " + load.START_SQL + " + interval '60 s' "
            "UNION ALL SELECT count(*), 0, 0 FROM telemetry.point WHERE device_id = 'd3' "
            "AND metric = 'temperature' AND ts >= " + load.START_SQL + " + interval '100 s'")

    def assert_again_changes_nothing(self, put):
        rows = make_rows(1)
        put(rows)
        counts = self.counts()
        self.assertEqual(counts[0][0], str(len(rows)))
        self.assertEqual(self.stored(), rows)
        put(rows)
        self.assertEqual(self.counts(), counts)
        self.assertEqual(self.stored(), rows)

    def test_file_copied_twice_leaves_every_count_unchanged(self):
        self.assert_again_changes_nothing(self.copy)

    def test_file_posted_twice_leaves_every_count_unchanged(self):
        self.assert_again_changes_nothing(self.post)

    def test_file_posted_twice_with_batch_ids_stores_no_block_more(self):
        rows = make_rows(2)
        self.post(rows, "load")
        blocks = self.cluster.value("SELECT count(*) FROM telemetry.block")
        self.post(rows, "load")
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.block"), blocks)
        self.assertEqual(self.stored(), rows)

    def test_file_copied_and_then_posted_leaves_every_count_unchanged(self):
        rows = make_rows(3)
        self.copy(rows)
        counts = self.counts()
        self.post(rows)
        self.assertEqual(self.counts(), counts)
        self.assertEqual(self.stored(), rows)

    def test_changed_value_wins_whichever_way_it_comes(self):
        rows = make_rows(4)
        rng = random.Random(4)
        ways = (self.copy, self.post)
        self.copy(rows)
        counts = self.counts()
        for turn in range(6):
            changed = {key: '"%d"' % turn if key[1] == "state" else str(turn + 0.5)
                       for key in rng.sample(sorted(rows), 50)}
            rows.update(changed)
            ways[turn % 2](changed)
            self.assertEqual(self.stored(), rows)
            self.assertEqual(self.counts(), counts)

    def test_late_file_in_another_order_changes_nothing(self):
        rows = make_rows(5)
        self.copy(rows)
        shuffled = sorted(rows)
        random.Random(5).shuffle(shuffled)
        self.copy({key: rows[key] for key in shuffled})
        self.assertEqual(self.stored(), rows)

    def test_concurrent_sessions_with_the_same_keys_leave_one_row_a_key(self):
        base = make_rows(6)
        versions = [{key: str(writer) for key in base} for writer in range(6)]
        errors = []

        def run(put, rows):
            try:
                for _ in range(3):
                    put(rows)
            except BaseException as error:  # pylint: disable=broad-except
                errors.append(error)

        threads = [threading.Thread(target=run, args=((self.copy, self.post)[writer % 2], rows),
                                    daemon=True)
                   for writer, rows in enumerate(versions)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120 * support.PATIENCE)
            self.assertFalse(thread.is_alive())
        self.assertEqual(errors, [])
        stored = self.stored()
        self.assertEqual(set(stored), set(base))
        self.assertLessEqual(set(stored.values()), {str(writer) for writer in range(6)})

        # And when all is quiet, what comes last wins everywhere.
        self.copy(base)
        self.assertEqual(self.stored(), base)

    def test_open_transaction_of_another_session_is_waited_for_by_nobody(self):
        rows = make_rows(7)
        session = self.start_session(self.cluster)
        session.run("BEGIN; INSERT INTO " + COLUMNS + " VALUES (" + load.START_SQL
                    + ", 'd0', 'temperature', '1e6');")
        self.post(rows)
        self.copy(rows)
        self.assertEqual(self.stored(), rows)
        session.run("COMMIT;")
        stored = self.stored()
        self.assertEqual(set(stored), set(rows))
        self.assertIn(stored.pop(("d0", "temperature", 0)),
                      ("1000000", rows.pop(("d0", "temperature", 0))))
        self.assertEqual(stored, rows)


if __name__ == "__main__":
    unittest.main()
