"""Whoever writes to the outbox and takes from it at the same time, each consumer is given each row once, and of each key in its order."""

import os
import random
import threading
import unittest

import support

SETTINGS = {"fsync": "off", "timezone": "UTC", "max_prepared_transactions": 10}
WRITERS = 5
KEYS = 4
TYPES = ("thing.done", "thing.undone")


class Outbox(support.SharedClusterTestCase):

    settings = SETTINGS

    def setUp(self):
        super().setUp()
        self.cluster.execute(f"""
            DROP TABLE IF EXISTS public.thing, public.taken;
            CREATE TABLE public.thing (key text PRIMARY KEY, n integer NOT NULL);
            INSERT INTO public.thing SELECT 'thing' || i, 0 FROM generate_series(1, {KEYS}) AS i;
            CREATE TABLE public.taken (place bigserial, consumer text, id bigint, event_type text, key text, n integer);
            DELETE FROM telemetry.outbox;
            SELECT telemetry.drop_outbox_consumer(name) FROM telemetry.outbox_consumer;
            SELECT telemetry.create_outbox_consumer('all');
            SELECT telemetry.create_outbox_consumer('some', ARRAY['{TYPES[0]}'])""")

    def test_each_consumer_is_given_each_row_once(self):
        seeds = [int(os.environ["OUTBOX_SEED"])] if "OUTBOX_SEED" in os.environ else [random.randrange(1 << 30) for _ in range(3)]
        for seed in seeds:
            with self.subTest(OUTBOX_SEED=seed):
                self.setUp()
                self.check_round(random.Random(seed))

    def check_round(self, rng):
        writers = [self.writer(rng, i) for i in range(WRITERS)]
        takers = [self.taker(rng, consumer) for consumer in ("all", "all", "some", "some")]
        self.run_at_once(writers + takers)
        for consumer in ("all", "some"):
            self.cluster.execute(self.take(consumer, 1000) * 2)
        expected = self.cluster.rows("SELECT id, key, data ->> 'n' FROM telemetry.outbox ORDER BY id")
        self.assertGreater(len(expected), 100)
        some = self.cluster.rows(f"SELECT id, key, data ->> 'n' FROM telemetry.outbox WHERE event_type = '{TYPES[0]}' ORDER BY id")
        self.assertGreater(len(expected), len(some))
        self.assertEqual(self.cluster.rows("SELECT id, key, n FROM public.taken WHERE consumer = 'all' ORDER BY id"), expected)
        self.assertEqual(self.cluster.rows("SELECT id, key, n FROM public.taken WHERE consumer = 'some' ORDER BY id"), some)
        self.assertEqual(self.cluster.rows("""
            SELECT * FROM (SELECT t.*, lag(t.n) OVER (PARTITION BY t.consumer, t.key ORDER BY t.place) AS before FROM public.taken AS t) AS o
            WHERE o.before >= o.n"""), [])
        # Nothing of that is needed any more.
        self.cluster.execute("SELECT telemetry.job_prune()")
        self.assertEqual(self.cluster.value("SELECT count(*) FROM telemetry.outbox"), "0")

    def run_at_once(self, scripts):
        failures = []

        def run(script):
            done = self.cluster.run_psql([], script.encode())
            if done.returncode != 0:
                failures.append(done.stderr.decode())

        threads = [threading.Thread(target=run, args=(script,)) for script in scripts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def writer(self, rng, number):
        """Transactions that take their time, in the order of keys, some undone in part or as a whole, some prepared."""
        script = []
        for i in range(40):
            script.append("BEGIN;")
            if rng.random() < 0.3:
                script.append("SELECT pg_current_xact_id() \\g /dev/null")
            for key in sorted(rng.sample(range(1, KEYS + 1), rng.randint(1, 2))):
                undone = rng.random() < 0.2
                script.append("SAVEPOINT s;")
                script.append(f"""
                    WITH changed AS (UPDATE public.thing SET n = n + 1 WHERE key = 'thing{key}' RETURNING key, n)
                    SELECT telemetry.publish('{rng.choice(TYPES)}', c.key, jsonb_build_object('n', c.n)) FROM changed AS c \\g /dev/null""")
                script.append("ROLLBACK TO s;" if undone else "RELEASE s;" if rng.random() < 0.5 else "")
                script.append(f"SELECT pg_sleep({rng.random() * 0.004}) \\g /dev/null")
            end = rng.random()
            if end < 0.15:
                script.append("ROLLBACK;")
            elif end < 0.3:
                script.append(f"PREPARE TRANSACTION 'w{number}-{i}'; SELECT pg_sleep({rng.random() * 0.004}) \\g /dev/null\n"
                              f"COMMIT PREPARED 'w{number}-{i}';")
            else:
                script.append("COMMIT;")
        return "\n".join(script)

    def take(self, consumer, limit):
        return f"""
            INSERT INTO public.taken (consumer, id, event_type, key, n)
            SELECT '{consumer}', o.id, o.event_type, o.key, (o.data ->> 'n')::integer FROM telemetry.take_outbox('{consumer}', {limit}) AS o;"""

    def taker(self, rng, consumer):
        script = []
        for _ in range(80):
            script.append("BEGIN;")
            for _ in range(rng.randint(1, 2)):
                script.append(self.take(consumer, rng.choice((1, 2, 3, 5, 1000))))
            script.append(f"SELECT pg_sleep({rng.random() * 0.003}) \\g /dev/null")
            script.append("ROLLBACK;" if rng.random() < 0.2 else "COMMIT;")
            script.append(f"SELECT pg_sleep({rng.random() * 0.006}) \\g /dev/null")
        return "\n".join(script)

    def test_listeners_are_told_when_it_is_committed(self):
        with self.cluster.popen_psql(["-A", "-t", "-c", "LISTEN telemetry_outbox", "-f", "-"]) as psql:
            psql.stdin.write(b"BEGIN; SELECT telemetry.publish('thing.done', 'k', '{}') > 0; SELECT 'open'; COMMIT; SELECT 'over';\n")
            out = psql.communicate(timeout=30)[0].decode()
        self.assertRegex(out, r"(?s)open.*Asynchronous notification \"telemetry_outbox\"")


if __name__ == "__main__":
    unittest.main()
