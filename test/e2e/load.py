"""Clients that post numbered points and remember which of them were acknowledged.

Point number n of device d has the timestamp START + n ms, metric "n" and value n, so what is
read back can be compared with what was sent without keeping it.
"""

import datetime
import http.client
import itertools
import random
import threading

import support

START = datetime.datetime(2025, 12, 1, tzinfo=datetime.timezone.utc)
START_SQL = "'2025-12-01 00:00:00+00'::timestamptz"
METRIC = "n"


def timestamp(number):
    moment = START + datetime.timedelta(milliseconds=number)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def point(number):
    return {"timestamp": timestamp(number), "metric_name": METRIC, "value": number}


class Client(threading.Thread):
    """Sends points of one device until told to stop; subclasses say how."""

    def __init__(self, device, seed):
        super().__init__(daemon=True)
        self.device = device
        self.random = random.Random(f"{seed} {device}")
        self.next_number = 0
        self.acknowledged = set()
        self.refused = 0     # said to be not stored, or not known to be
        self.lost = 0        # nothing was said
        self.problems = []   # answers that should not be
        self.stopping = threading.Event()

    def take_numbers(self):
        count = self.random.choice((1, 1, 1, 2, 20, 100))
        first, self.next_number = self.next_number, self.next_number + count
        return range(first, first + count)

    def run(self):
        try:
            while not self.stopping.is_set():
                self.send(self.take_numbers())
        except Exception as error:  # pylint: disable=broad-except
            self.problems.append(f"{type(error).__name__}: {error}")
        finally:
            self.leave()

    def leave(self):
        """Gives up what is held open."""

    def send(self, numbers):
        raise NotImplementedError

    def stop(self):
        self.stopping.set()


class HttpClient(Client):
    """Posts singles and batches over one connection, and connects again when it is lost."""

    def __init__(self, proxy, device, seed):
        super().__init__(device, seed)
        self.proxy = proxy
        self.connection = None

    def send(self, numbers):
        path = f"/api/v1/telemetry/devices/{self.device}/telemetry"
        if len(numbers) == 1:
            body = point(numbers[0])
        else:
            path += "/batch"
            body = {"data_points": [point(number) for number in numbers]}
            # Some through the path of batches that are remembered.
            if self.random.random() < 0.2:
                body["batch_id"] = f"{self.device}-{numbers[0]}"
        try:
            if self.connection is None:
                self.connection = self.proxy.connect(timeout=60)
            response = self.proxy.request("POST", path, body, connection=self.connection)
        except (OSError, http.client.HTTPException):
            self.lost += 1
            self.leave()
            self.stopping.wait(0.01)
            return
        self.judge(numbers, response)
        if response.headers.get("Connection") == "close":
            self.leave()

    def leave(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def judge(self, numbers, response):
        if response.status == 200:
            answer = response.json
            if answer["success"] is True and answer.get("ingested_count", 1) == len(numbers):
                self.acknowledged.update(numbers)
            else:
                self.problems.append(repr(response))
        elif response.status == 503:
            self.refused += 1
            if not response.headers.get("Retry-After", "").isdigit():
                self.problems.append(f"no Retry-After: {response!r}")
            self.stopping.wait(0.01)
        else:
            self.problems.append(repr(response))


class CopyClient(Client):
    """COPYs, a transaction each; acknowledged is what has committed."""

    def __init__(self, cluster, device, seed):
        super().__init__(device, seed)
        self.cluster = cluster

    def send(self, numbers):
        rows = "".join(f"{timestamp(n)},{self.device},{METRIC},{n}\n" for n in numbers)
        try:
            answer = self.cluster.copy_in(
                "telemetry.point (ts, device_id, metric, value)", rows, "(FORMAT csv)",
                then="SELECT received, accepted, rejected FROM telemetry.ingest_result()")
        except support.SqlError:
            self.refused += 1
            self.stopping.wait(0.05)
            return
        if answer.strip() == f"{len(numbers)},{len(numbers)},0":
            self.acknowledged.update(numbers)
        else:
            self.problems.append(answer)


class Load:
    """Several clients at once."""

    def __init__(self, clients):
        self.clients = clients

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Returns when all clients have ended what they were doing."""
        for client in self.clients:
            client.stop()
        for client in self.clients:
            client.join(90 * support.PATIENCE)
            if client.is_alive():
                raise TimeoutError(f"client {client.device} did not end")

    def count(self):
        return sum(len(client.acknowledged) for client in self.clients)

    def trouble(self):
        """How often something was not acknowledged."""
        return sum(client.refused + client.lost for client in self.clients)

    def wait_for_more(self, points=1, seconds=60):
        """Until each client has that many more acknowledged."""
        want = [(client, len(client.acknowledged) + points) for client in self.clients]
        support.wait_until(
            lambda: all(len(client.acknowledged) >= count or not client.is_alive()
                        for client, count in want),
            seconds, "more points to be acknowledged")

    def problems(self):
        return list(itertools.chain.from_iterable(client.problems for client in self.clients))

    def check(self, test, cluster):
        """Every point acknowledged by now is stored with its value, each key once."""
        # The order matters: what is acknowledged now is committed before the query begins,
        # and what the query finds was sent before it ended.
        acknowledged = {client.device: set(client.acknowledged) for client in self.clients}
        rows = cluster.rows(
            "SELECT device_id, metric, round(extract(epoch FROM ts - " + START_SQL + ") * 1000), "
            "num FROM telemetry.point")
        sent = {client.device: client.next_number for client in self.clients}
        stored = {device: set() for device in sent}
        for device, metric, number, value in rows:
            number = int(number)
            test.assertEqual((metric, float(value)), (METRIC, number), f"point of {device}")
            test.assertLess(number, sent[device], "a point that was not sent")
            test.assertNotIn(number, stored[device], "a key is stored twice")
            stored[device].add(number)
        for device, numbers in acknowledged.items():
            missing = sorted(numbers - stored[device])
            test.assertEqual(missing, [], f"acknowledged points of {device} are missing")
        test.assertEqual(self.problems(), [])
        return sum(len(numbers) for numbers in stored.values())
