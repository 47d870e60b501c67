"""Batches with a batch_id: stored once, answered always the same, told of later."""

import datetime
import json
import threading
import unittest

import support

API = "/api/v1/telemetry"
TIME = "2025-12-18T10:00:00Z"


def point(value=1, metric="m", **more):
    return {"timestamp": TIME, "metric_name": metric, "value": value, **more}


def batch(batch_id, *data_points):
    return {"data_points": list(data_points) or [point()], "batch_id": batch_id}


def path(device="d1"):
    return f"{API}/devices/{device}/telemetry/batch"


class ReceiptTestCase(support.TestCase):
    """What the tests say; with a cluster and a proxy of their own or shared."""

    cluster = None
    proxy = None

    def post(self, body, device="d1", status=200):
        response = self.proxy.post(path(device), body)
        self.assertEqual(response.status, status, response)
        return response.json

    def receipt(self, batch_id, device=None, status=200):
        query = f"?device_id={device}" if device else ""
        response = self.proxy.get(f"{API}/batches/{batch_id}{query}")
        self.assertEqual(response.status, status, response)
        return response.json

    def values(self, device="d1"):
        return {metric: json.loads(value) for metric, value in self.cluster.rows(
            f"SELECT metric, value FROM telemetry.point WHERE device_id = '{device}'")}

    def blocks(self):
        return int(self.cluster.value("SELECT count(*) FROM telemetry.block"))

    def assert_receipt_tells(self, answer, batch_id, device="d1"):
        """The receipt says what the answer said."""
        told = self.receipt(batch_id)
        self.assertEqual({name: told[name] for name in answer}, answer)
        self.assertEqual((told["batch_id"], told["device_id"]), (batch_id, device))
        return told


class RepeatTest(support.SharedProxyTestCase, ReceiptTestCase):
    settings = {"fsync": "off"}

    def test_repeat_is_answered_the_same_and_stores_nothing(self):
        body = batch("b1", point(1, "a"), point(2, "b"))
        first = self.post(body)
        self.assertEqual(first, {"success": True, "ingested_count": 2, "failed_count": 0,
                                 "total_count": 2, "errors": []})
        blocks = self.blocks()
        for _ in range(3):
            self.assertEqual(self.post(body), first)
        self.assertEqual(self.blocks(), blocks)

    def test_repeat_does_not_bring_old_values_back(self):
        first = self.post(batch("b1", point(1, "a"), point(1, "b")))
        self.proxy.post(f"{API}/devices/d1/telemetry", point(2, "a"))
        self.post({"data_points": [point(3, "b")]})
        self.assertEqual(self.post(batch("b1", point(1, "a"), point(1, "b"))), first)
        self.assertEqual(self.values(), {"a": 2, "b": 3})

    def test_repeat_after_points_were_deleted_does_not_bring_them_back(self):
        first = self.post(batch("b1"))
        self.cluster.execute("SELECT telemetry.delete_points('d1', NULL, NULL, NULL)")
        self.assertEqual(self.post(batch("b1")), first)
        self.assertEqual(self.values(), {})

    def test_same_content_written_otherwise_is_a_repeat(self):
        first = self.post(batch("b1", point(1, tags={"a": 1, "b": 2})))
        text = ('{"batch_id":"b1" , "data_points" :[ {"value":1, "tags":{"b":2,"a":1},\n'
                '"metric_name":"\\u006d","timestamp":"%s"}], "compression": "gzip"}' % TIME)
        self.assertEqual(self.post(text), first)

    def test_other_content_under_the_same_id_is_422_and_stores_nothing(self):
        first = self.post(batch("b1", point(1)))
        for other in (batch("b1", point(2)), batch("b1", point(1), point(1, "n")),
                      batch("b1", point(1, unit="C"))):
            self.assertIn("b1", self.post(other, status=422)["detail"])
        self.assertEqual(self.values(), {"m": 1})
        self.assertEqual(self.post(batch("b1", point(1))), first)

    def test_same_id_of_another_device_is_another_batch(self):
        self.post(batch("b1", point(1)), "d1")
        self.post(batch("b1", point(2)), "d2")
        self.assertEqual((self.values("d1"), self.values("d2")), ({"m": 1}, {"m": 2}))
        self.post(batch("b1", point(3)), "d2", status=422)
        for device in ("d1", "d2"):
            self.assertEqual(self.receipt("b1", device)["device_id"], device)
        self.receipt("b1", "d3", status=404)
        self.assertIn("device_id", self.receipt("b1", status=400)["detail"])

    def test_errors_of_points_are_told_again(self):
        body = batch("b1", point(metric=""), point(1, "good"), point(None, "none"), 7)
        first = self.post(body)
        self.assertEqual((first["success"], first["ingested_count"], first["failed_count"]),
                         (False, 1, 3))
        self.assertEqual([error["index"] for error in first["errors"]], [0, 2, 3])
        letters = self.cluster.value("SELECT count(*) FROM telemetry.dead_letter")
        self.assertEqual(self.post(body), first)
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.dead_letter"), letters)
        self.assert_receipt_tells(first, "b1")

    def test_batch_in_which_all_points_failed_is_remembered_too(self):
        first = self.post(batch("b1", point(metric="")))
        self.assertEqual((first["ingested_count"], first["failed_count"]), (0, 1))
        self.assertEqual(self.post(batch("b1", point(metric=""))), first)
        self.assert_receipt_tells(first, "b1")

    def test_batch_refused_for_its_shape_leaves_no_receipt(self):
        self.post({"data_points": [], "batch_id": "b1"}, status=422)
        self.receipt("b1", status=404)
        self.post(batch("b1"))

    def test_receipt_is_in_sql_too(self):
        self.post(batch("b1", point(1, "a"), point(metric="")))
        self.assertEqual(
            self.cluster.rows("SELECT device_id, batch_id, success, ingested_count, failed_count, "
                              "total_count, errors -> 0 ->> 'index' FROM telemetry.receipt"),
            [["d1", "b1", "f", "1", "1", "2", "1"]])

    def test_receipt_tells_when_the_batch_came(self):
        before = datetime.datetime.now(datetime.timezone.utc)
        answer = self.post(batch("b1"))
        told = self.assert_receipt_tells(answer, "b1")
        received = datetime.datetime.fromisoformat(told["received_at"].replace("Z", "+00:00"))
        slack = datetime.timedelta(seconds=1)
        self.assertLess(before - slack, received)
        self.assertLess(received, datetime.datetime.now(datetime.timezone.utc) + slack)
        self.post(batch("b1"))
        self.assertEqual(self.receipt("b1"), told)

    def test_unknown_id_is_404(self):
        self.assertEqual(list(self.receipt("never", status=404)), ["detail"])

    def test_batches_without_an_id_leave_no_receipt(self):
        self.post({"data_points": [point()]})
        self.post({"data_points": [point()], "batch_id": None})
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.receipt"), "0")

    def test_any_text_may_be_an_id(self):
        for batch_id, encoded in (("a/b c", "a%2Fb%20c"), ("é☂", "%C3%A9%E2%98%82"),
                                  ("100%", "100%25"), ("x" * 128, "x" * 128), ("'; --", "';%20--"),
                                  ("?#&=+", "%3F%23%26=+")):
            with self.subTest(batch_id):
                self.post(batch(batch_id))
                self.assertEqual(self.receipt(encoded)["batch_id"], batch_id)
        self.post(batch("b1"), "d%2F%C3%A9%26")
        self.assertEqual(self.receipt("b1", "d%2F%C3%A9%26")["device_id"], "d/é&")
        self.receipt("b%00", status=400)
        self.assertEqual(self.proxy.get(f"{API}/batches/b1?device_id=%FF").status, 400)

    def test_concurrent_repeats_store_once_and_are_all_answered_the_same(self):
        for number in range(5):
            body = batch(f"b{number}", *(point(n, f"m{n}") for n in range(100)),
                         point(metric=""))
            answers = self.post_at_once([body] * 8)
            self.assertEqual([status for status, _ in answers], [200] * 8)
            for _, answer in answers:
                self.assertEqual(answer, answers[0][1])
            self.assertEqual(answers[0][1]["ingested_count"], 100)
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.dead_letter"), "5")
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.receipt"), "5")

    def test_concurrent_batches_of_one_id_with_other_contents_let_one_through(self):
        for number in range(5):
            answers = self.post_at_once([batch(f"b{number}", point(n)) for n in range(8)])
            self.assertEqual(sorted(status for status, _ in answers), [200] + [422] * 7)
            winner = [status for status, _ in answers].index(200)
            self.assertEqual(self.values(), {"m": winner})

    def post_at_once(self, bodies):
        """Posts each body from a thread of its own; status and JSON of each answer."""
        answers = [None] * len(bodies)
        gate = threading.Barrier(len(bodies))

        def post(number):
            connection = self.proxy.connect()
            connection.connect()
            gate.wait(30)
            response = self.proxy.post(path(), bodies[number], connection=connection)
            answers[number] = (response.status, response.json)
            connection.close()

        threads = [threading.Thread(target=post, args=(number,), daemon=True)
                   for number in range(len(bodies))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60 * support.PATIENCE)
        self.assertNotIn(None, answers)
        return answers

    def test_batch_under_way_holds_up_its_repeat_only(self):
        lock = self.start_session(self.cluster)
        lock.run("BEGIN; SELECT telemetry.ingest('{\"batch_id\": \"b1\", \"data_points\": "
                 f"[{json.dumps(point())}]}}', 'd1');")
        with self.proxy.start_post(path(), batch("b1")) as repeat:
            self.post(batch("b2", point(2, "other")))
            self.proxy.post(path(), {"data_points": [point(3, "third")]})
            lock.run("COMMIT;")
            answer = repeat.response()
        self.assertEqual((answer.status, answer.json["ingested_count"]), (200, 1))
        self.assertEqual(self.values(), {"m": 1, "other": 2, "third": 3})

    def test_batch_that_was_rolled_back_is_no_repeat(self):
        lock = self.start_session(self.cluster)
        lock.run("BEGIN; SELECT telemetry.ingest('{\"batch_id\": \"b1\", \"data_points\": "
                 f"[{json.dumps(point(1))}]}}', 'd1');")
        with self.proxy.start_post(path(), batch("b1", point(2))) as other:
            self.proxy.settle()
            lock.run("ROLLBACK;")
            self.assertEqual(other.response().status, 200)
        self.assertEqual(self.values(), {"m": 2})


class LaterTest(ReceiptTestCase):
    def test_receipts_outlive_proxy_and_server(self):
        self.cluster = self.start_cluster()
        self.proxy = self.start_proxy(self.cluster)
        body = batch("b1", point(1, "a"), point(metric=""), point(2, "b"))
        first = self.post(body)
        told = self.assert_receipt_tells(first, "b1")

        self.assertEqual(self.proxy.stop(), 0)
        self.proxy.start()
        self.assertEqual(self.receipt("b1"), told)
        self.assertEqual(self.post(body), first)

        self.cluster.kill()
        self.cluster.start()
        self.proxy.wait_healthy()
        self.assertEqual(self.receipt("b1"), told)
        self.assertEqual(self.post(body), first)
        self.post(batch("b1", point(3)), status=422)
        self.assertEqual(self.values(), {"a": 1, "b": 2})

    def test_batch_whose_answer_was_lost_is_answered_when_sent_again(self):
        self.cluster = self.start_cluster(fsync="off")
        self.proxy = self.start_proxy(self.cluster)
        lock = self.start_session(self.cluster)
        lock.run("BEGIN; LOCK TABLE telemetry.block IN ACCESS EXCLUSIVE MODE;")
        wire = self.proxy.start_post(path(), batch("b1", point(1)))
        self.proxy.settle()
        wire.reset()
        lock.run("COMMIT;")
        self.assertEqual(self.post(batch("b1", point(1)))["ingested_count"], 1)
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.block"), "1")
        self.assertEqual(self.receipt("b1")["ingested_count"], 1)

    def test_expired_batch_is_forgotten(self):
        self.cluster = self.start_cluster(fsync="off", **{"telemetry.batch_window": "1s"})
        self.proxy = self.start_proxy(self.cluster)
        self.post(batch("b1", point(1)))
        # Refused as other content until the window has passed.
        support.wait_until(
            lambda: self.proxy.post(path(), batch("b1", point(2))).status == 200, 30,
            "the batch to be forgotten")
        self.assertEqual(self.values(), {"m": 2})
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.receipt"), "1")

        support.wait_until(
            lambda: self.cluster.value("SELECT received_at < now() - '1.1 s'::interval "
                                       "FROM telemetry.receipt WHERE batch_id = 'b1'") == "t", 30,
            "the window to pass")
        self.post(batch("b2"))
        self.receipt("b1", status=404)
        self.receipt("b2")

    def test_shorter_window_counts_without_a_restart(self):
        self.cluster = self.start_cluster(fsync="off")
        self.proxy = self.start_proxy(self.cluster)
        first = self.post(batch("b1", point(1)))
        self.assertEqual(self.post(batch("b1", point(1))), first)
        self.cluster.configure(**{"telemetry.batch_window": "1s"})
        self.cluster.execute("SELECT pg_reload_conf()")
        support.wait_until(
            lambda: self.proxy.post(path(), batch("b1", point(2))).status == 200, 30,
            "the batch to be forgotten")
        self.assertEqual(self.values(), {"m": 2})


if __name__ == "__main__":
    unittest.main()
