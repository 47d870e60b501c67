"""What the end-to-end tests stand on: real clusters and real proxies, made and unmade here.

    class MyTest(support.TestCase):
        def test_something(self):
            cluster = self.start_cluster()
            proxy = self.start_proxy(cluster)
            status, body = proxy.post("/api/v1/telemetry/devices/d1/telemetry", {...})
            self.assertEqual(cluster.value("SELECT count(*) FROM telemetry.point"), "1")

Everything runs as an unprivileged user (PostgreSQL refuses root), in its own temporary folder,
and ends with the test, with this process, or with its death.  Nothing waits without a bound.
"""

import atexit
import contextlib
import csv
import ctypes
import fcntl
import http.client
import io
import json
import os
import pathlib
import pwd
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import psycopg2
import psycopg2.extensions

ROOT = pathlib.Path(__file__).resolve().parents[2]
PG_CONFIG = os.environ.get("PG_CONFIG") or "pg_config"
PROXY = os.environ.get("TELEMETRY_PROXY", str(ROOT / "proxy" / "telemetry-proxy"))
# For example "valgrind --error-exitcode=99": put before the proxy's command line.
PROXY_WRAPPER = shlex.split(os.environ.get("TELEMETRY_PROXY_WRAPPER", ""))
# How much longer things may take under such a wrapper.
PATIENCE = 5.0 if PROXY_WRAPPER else 1.0

# The extensions that are apps.
APPS = sorted(f"telemetry_{path.stem}" for path in (ROOT / "extension" / "apps").glob("*.sql"))

BINDIR = pathlib.Path(
    subprocess.run([PG_CONFIG, "--bindir"], capture_output=True, text=True, check=True)
    .stdout.strip())

# Values may be long.
csv.field_size_limit(2**31 - 1)

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _interrupt(*_):
    raise KeyboardInterrupt


# The test runner asks with SIGTERM; unittest lets only KeyboardInterrupt through.
signal.signal(signal.SIGTERM, _interrupt)


def wait_until(condition, seconds, what):
    """Polls until condition() is true; returns its value; TimeoutError after so long.

    The longer it takes, the more seldom it asks.
    """
    end = time.monotonic() + seconds * PATIENCE
    pause = 0.01
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"after {seconds} s still waiting for {what}")
        time.sleep(pause)
        pause = min(1.5 * pause, 0.25)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _identity():
    """Keyword arguments for subprocess that make a child the unprivileged user."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _environment(extra=None):
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    environment.update(extra or {})
    return environment


def make_folder(prefix):
    """A temporary folder that the unprivileged user owns."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


class Process:
    """One child process with its output in a log; dies with us at the latest."""

    def __init__(self, command, log, environment=None, death_signal=signal.SIGKILL, descriptors=()):
        def die_with_parent():
            _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))

        self.log = log
        with open(log, "ab") as output:
            self.popen = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, cwd="/", start_new_session=True, preexec_fn=die_with_parent,
                env=_environment(environment), pass_fds=descriptors, **_identity())
        self.pid = self.popen.pid

    def is_running(self):
        return self.popen.poll() is None

    def send(self, number):
        if self.is_running():
            self.popen.send_signal(number)

    def wait(self, seconds):
        """Its exit code; TimeoutError when it is still there after so long."""
        try:
            return self.popen.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"process {self.pid} did not end in {seconds} s") from None

    def children(self):
        """Process ids of its direct children."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                except OSError:
                    continue
                if int(stat.rpartition(")")[2].split()[1]) == self.pid:
                    found.append(int(entry.name))
        return found

    def log_text(self):
        return pathlib.Path(self.log).read_text(errors="replace")


def run_server_program(name, *arguments, folder="/", timeout=120):
    """Runs a program that works on data directories (pg_basebackup, pg_upgrade); its output."""
    run = subprocess.run([BINDIR / name, *map(str, arguments)], capture_output=True, cwd=folder,
                         env=_environment(), timeout=timeout * PATIENCE, check=False,
                         **_identity())
    output = (run.stdout + run.stderr).decode(errors="replace")
    if run.returncode != 0:
        raise RuntimeError(f"{name} ended with exit code {run.returncode}:\n{output}")
    return output


def _template_folder():
    """Where this run's data directories to copy are: TELEMETRY_TEMPLATES, or a folder of this process."""
    if "TELEMETRY_TEMPLATES" not in os.environ:
        folder = make_folder("templates-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["TELEMETRY_TEMPLATES"] = str(folder)
    return pathlib.Path(os.environ["TELEMETRY_TEMPLATES"])


def _make_template(data, extensions):
    def initdb(folder):
        run_server_program("initdb", f"--pgdata={folder}", "--username=postgres", "--locale=C.UTF-8",
                           "--encoding=UTF8", "--auth=trust", "--no-sync")

    if extensions is None:
        initdb(data)
        return
    with contextlib.closing(Cluster(make_data=initdb)) as cluster:
        cluster.execute("CREATE DATABASE telemetry", database="postgres")
        for name in extensions:
            cluster.execute(f"CREATE EXTENSION {name} CASCADE")
        cluster.stop()
        cluster.data.rename(data)


def copy_template(data, extensions):
    """A data directory with these extensions in database telemetry, or, for None, without that database.

    Made once a run, by the first who asks: initdb and CREATE EXTENSION cost more than copying.
    """
    folder = _template_folder()
    template = folder / "-".join(["data", *(["none"] if extensions is None else extensions)])
    with open(folder / "lock", "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            made = pathlib.Path(f"{template}.new")
            _make_template(made, extensions)
            made.rename(template)
    subprocess.run(["cp", "-a", template, data], check=True, **_identity())


class _Sessions:
    """Connections that wait for their next statement: a psql and a new backend each cost 0.1 s.

    A session is as good as new: DISCARD ALL, and closed should a transaction be open, or the server
    have ended it.  Only those of databases that nobody drops or copies are kept.
    """

    KEPT = ("telemetry", "postgres")

    def __init__(self, cluster):
        self._cluster = cluster
        self._idle = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def use(self, user, database, timeout):
        """A connection, whose statements must end within so many seconds."""
        session = self._take((user, database)) or self._open(user, database)
        # What the server is not able to end, it does not hear of either.
        timer = threading.Timer(timeout * PATIENCE, self._cut, [session])
        timer.daemon = True
        timer.start()
        try:
            yield session
        finally:
            timer.cancel()
            self._give_back((user, database), session)

    def close(self):
        """Ends those that wait."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, session in idle:
            session.close()

    def _take(self, whose):
        with self._lock:
            for entry in self._idle:
                if entry[0] == whose:
                    self._idle.remove(entry)
                    break
            else:
                return None
        session = entry[1]
        # The server says nothing to one who has not asked, but that it ends.
        if select.select([session], [], [], 0)[0]:
            session.close()
            return self._take(whose)
        return session

    def _open(self, user, database):
        try:
            session = psycopg2.connect(self._cluster.conninfo(user, database))
        except psycopg2.Error as error:
            raise SqlError(error) from None
        # Each string that is executed is one transaction, as psql's.
        session.autocommit = True
        # Values as the server writes them.
        as_text = psycopg2.extensions.new_type(
            tuple(psycopg2.extensions.string_types), "AS_TEXT", lambda value, _: value)
        psycopg2.extensions.register_type(as_text, session)
        return session

    def _give_back(self, whose, session):
        try:
            if (whose[1] in self.KEPT
                    and session.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_IDLE):
                with session.cursor() as cursor:
                    cursor.execute("DISCARD ALL")
                with self._lock:
                    self._idle.append((whose, session))
                return
        except psycopg2.Error:
            pass
        session.close()

    @staticmethod
    def _cut(session):
        with contextlib.suppress(OSError, psycopg2.Error):
            with socket.socket(fileno=os.dup(session.fileno())) as wire:
                wire.shutdown(socket.SHUT_RDWR)


class Cluster:
    """A PostgreSQL server with database `telemetry`, with the extension and apps, reached by its Unix socket only.

    The socket's folder is closed to other users, so every role may log in.  Settings are those
    of postgresql.conf: Cluster(fsync="off").  Without `database` there is what initdb makes;
    `make_data(folder)` may make another data directory, whose server then has what it has.
    """

    PORT = 5432

    def __init__(self, extension=True, apps=(), database=True, make_data=None, start=True,
                 **settings):
        self.folder = make_folder("cluster-")
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self.process = None
        self._sessions = _Sessions(self)
        try:
            if make_data:
                make_data(self.data)
            else:
                extensions = [*(["telemetry"] if extension else []), *apps]
                copy_template(self.data, extensions if database else None)
            self.configure(**settings)
            if start:
                self.start()
        except BaseException:
            self.close()
            raise

    def configure(self, **settings):
        """Adds settings; they count from the next start."""
        fixed = {"listen_addresses": "", "unix_socket_directories": self.folder,
                 "port": self.PORT, "shared_buffers": "64MB", "log_min_messages": "warning"}
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            for name, value in {**fixed, **settings}.items():
                file.write(f"{name} = '{value}'\n")

    def start(self):
        # SIGINT is a fast shutdown: what the server gets should this process be killed.
        self.process = Process([BINDIR / "postgres", "-D", self.data], self.log,
                               death_signal=signal.SIGINT)
        wait_until(self._is_ready, 60, "the server to accept connections")

    def _is_ready(self):
        if not self.process.is_running():
            raise RuntimeError("the server did not start:\n" + self.process.log_text()[-3000:])
        return subprocess.run([BINDIR / "pg_isready", "-q", "-h", self.folder, "-p",
                               str(self.PORT)], check=False).returncode == 0

    def stop(self, mode="fast"):
        """A clean stop: smart, fast or immediate."""
        number = {"smart": signal.SIGTERM, "fast": signal.SIGINT,
                  "immediate": signal.SIGQUIT}[mode]
        self.disconnect()
        if self.process and self.process.is_running():
            self.process.send(number)
            self.process.wait(60)

    def kill(self):
        """kill -9 of the server and all its processes, as when the machine fails."""
        # The postmaster first, so that it cannot react to the loss of a child.
        self.process.send(signal.SIGSTOP)
        children = self.process.children()
        self.process.send(signal.SIGKILL)
        self.process.wait(10)
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait_until(lambda: not any(is_alive(pid) for pid in children), 10,
                   "the server's processes to die")

    def crash(self, pid):
        """kill -9 of one of the server's processes; returns when the server has recovered."""
        with self._sessions.use("postgres", "postgres", 60) as witness:
            os.kill(pid, signal.SIGKILL)
            # The server ends all sessions when it has noticed, and only then begins to recover.
            wait_until(lambda: select.select([witness], [], [], 0)[0], 30, "the server to notice")
            witness.close()
        self.disconnect()
        wait_until(self.answers, 60, "the server to recover")

    def answers(self):
        """Whether it takes a statement now."""
        try:
            return self.value("SELECT 1", database="postgres") == "1"
        except SqlError:
            return False

    def restart(self):
        self.stop()
        self.start()

    def close(self):
        try:
            self.stop("immediate")
        except TimeoutError:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def conninfo(self, user="postgres", database="telemetry"):
        return f"host={self.folder} port={self.PORT} user={user} dbname={database}"

    def disconnect(self):
        """Ends the sessions that wait; those to come have what was SET for their database or role meanwhile."""
        self._sessions.close()

    def run_psql(self, arguments, data=None, user="postgres", database="telemetry", timeout=120):
        """psql as subprocess.run; bytes in, bytes out, never raises for SQL errors."""
        return subprocess.run(
            [BINDIR / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose",
             "-d", self.conninfo(user, database), *arguments],
            input=data if data is not None else b"", capture_output=True,
            env=_environment(), timeout=timeout * PATIENCE, check=False)

    def execute(self, sql, user="postgres", database="telemetry", timeout=120):
        """Runs one query string; CSV text of its last result.

        All statements of the string are one transaction.  Raises SqlError.
        """
        with self._statements(user, database, timeout) as cursor:
            cursor.execute(sql)
            return _as_csv(cursor)

    def rows(self, sql, **arguments):
        """The rows of a query as lists of strings; NULL is the empty string."""
        return list(csv.reader(io.StringIO(self.execute(sql, **arguments), newline="")))

    def value(self, sql, **arguments):
        """The one value of a query."""
        rows = self.rows(sql, **arguments)
        if len(rows) != 1 or len(rows[0]) != 1:
            raise AssertionError(f"not one value: {rows!r}")
        return rows[0][0]

    def copy_in(self, target, data, options="", before=None, then=None, user="postgres", database="telemetry",
                timeout=120):
        """COPY target FROM STDIN; statements given as `before` and `then` are in the same transaction."""
        if isinstance(data, str):
            data = data.encode()
        with self._statements(user, database, timeout) as cursor:
            cursor.execute("BEGIN")
            if before:
                cursor.execute(before)
            cursor.copy_expert(f"COPY {target} FROM STDIN {options}", io.BytesIO(data))
            answer = ""
            if then:
                cursor.execute(then)
                answer = _as_csv(cursor)
            cursor.execute("COMMIT")
            return answer

    def copy_out(self, query, options="", user="postgres", database="telemetry", timeout=120):
        """The bytes of COPY (query) TO STDOUT."""
        data = io.BytesIO()
        with self._statements(user, database, timeout) as cursor:
            cursor.copy_expert(f"COPY ({query}) TO STDOUT {options}", data)
        return data.getvalue()

    @contextlib.contextmanager
    def _statements(self, user, database, timeout):
        """A cursor of a session; what fails in it is a SqlError."""
        with self._sessions.use(user, database, timeout) as session:
            try:
                with session.cursor() as cursor:
                    yield cursor
            except psycopg2.Error as error:
                raise SqlError(error) from None

    def popen_psql(self, arguments, user="postgres", database="telemetry"):
        """psql left running, with pipes; the caller ends it."""
        return subprocess.Popen(
            [BINDIR / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d",
             self.conninfo(user, database), *arguments], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment())

    def program(self, name, *arguments, data=None, timeout=120):
        """Runs another client program (pg_dump, pg_restore); its output."""
        run = subprocess.run(
            [BINDIR / name, "-h", str(self.folder), "-p", str(self.PORT), "-U", "postgres",
             *arguments], input=data, capture_output=True, env=_environment(),
            timeout=timeout, check=False)
        if run.returncode != 0:
            raise RuntimeError(run.stderr.decode(errors="replace"))
        return run.stdout

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class SqlError(Exception):
    """What the server said; `sqlstate` is its five characters, None if the server is gone."""

    def __init__(self, error):
        super().__init__(str(error))
        self.sqlstate = getattr(error, "pgcode", None)


def _as_csv(cursor):
    """The rows of a statement as psql --csv has them; nothing where there are none."""
    text = io.StringIO()
    if cursor.description:
        csv.writer(text, lineterminator="\n").writerows(cursor)
    return text.getvalue()


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Response:
    """An answer: status, headers, raw body; `json` parses it."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    def __iter__(self):
        return iter((self.status, self.json))

    def __repr__(self):
        return f"<{self.status} {self.body[:500]!r}>"


class _KeptOpen:
    """A file that outlives the responses read from it."""

    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)

    def close(self):
        pass


class Wire:
    """A TCP connection, or what is given as one, on which a test writes bytes and reads answers, one by one."""

    def __init__(self, port, timeout, connected=None):
        self.socket = connected or socket.create_connection(("127.0.0.1", port), timeout)
        self._file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def post(self, path, body, headers=""):
        """Sends a POST of JSON and does not wait; headers are lines that end in CR LF."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  f"Content-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    def line(self):
        """The next line as text, without its end; empty at the end of the stream."""
        return self._file.readline().decode("latin-1").rstrip("\r\n")

    def response(self, method="POST"):
        """The next answer; http.client.RemoteDisconnected if there is none."""
        response = http.client.HTTPResponse(self, method=method)
        response.begin()
        return Response(response)

    def has_answer(self, seconds=0):
        """Whether something has come, or comes within so long."""
        return bool(select.select([self.socket], [], [], seconds * PATIENCE)[0])

    def at_end(self):
        """Whether the other side has closed, after all it sent was read."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def finish(self):
        """Says that no more will be sent; answers can still be read."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with a TCP reset, as a client that has crashed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self._file.close()
        self.socket.close()

    def makefile(self, _mode):
        return _KeptOpen(self._file)


class Proxy:
    """A telemetry-proxy before a cluster, or before any connection string.

    `launcher` stands before its command line, and `descriptors` are those of ours that it is to inherit.
    """

    def __init__(self, cluster, *options, environment=None, user="postgres", port=None,
                 wait=True, launcher=(), descriptors=()):
        self.folder = make_folder("proxy-")
        self.log = self.folder / "proxy.log"
        self.port = port or free_port()
        self.database = cluster if isinstance(cluster, str) else cluster.conninfo(user)
        self.options = options
        self.environment = environment
        self.launcher = launcher
        self.descriptors = descriptors
        self.process = None
        try:
            self.start(wait)
        except BaseException:
            self.process.send(signal.SIGKILL)
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def start(self, wait=True):
        self.process = Process(
            [*self.launcher, *PROXY_WRAPPER, PROXY, f"--listen=127.0.0.1:{self.port}", "--auth=none",
             f"--database={self.database}", *self.options], self.log, self.environment,
            descriptors=self.descriptors)
        if wait:
            self.wait_healthy()

    def wait_healthy(self, seconds=20):
        """Until the database answers through it to those who write and who read, and has said which routes it has."""
        wait_until(self.is_healthy, seconds, "the proxy to be healthy")
        wait_until(lambda: self.get("/api/v1/telemetry/batches/none").status != 503, seconds, "readers' connections")
        wait_until(lambda: self.get("/nothing").status == 404, seconds, "the proxy's routes")

    def is_healthy(self):
        if not self.process.is_running():
            raise RuntimeError("the proxy did not start:\n" + self.process.log_text()[-3000:])
        try:
            return self.request("GET", "/health").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def connect(self, timeout=30):
        """A connection for many requests."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * PATIENCE)

    def wire(self, timeout=30):
        """A bare connection, for requests that no library would send."""
        return Wire(self.port, timeout * PATIENCE)

    def start_post(self, path, body, timeout=60):
        """A POST whose answer is read later, with response() of what this returns."""
        wire = self.wire(timeout)
        wire.post(path, body)
        return wire

    def settle(self):
        """Returns when all that was sent before has been read by the proxy."""
        # It serves in rounds, within which the order is not known.
        for _ in range(3):
            assert self.request("DELETE", "/health").status == 405

    def request(self, method, path, body=None, headers=None, connection=None, timeout=30):
        """One request; a body that is neither bytes nor text is sent as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        own = connection is None
        if own:
            connection = self.connect(timeout)
        try:
            connection.request(method, path, body, headers)
            return Response(connection.getresponse())
        finally:
            if own:
                connection.close()

    def get(self, path, **arguments):
        return self.request("GET", path, **arguments)

    def post(self, path, body, **arguments):
        return self.request("POST", path, body, **arguments)

    def terminate(self):
        """SIGTERM; does not wait."""
        self.process.send(signal.SIGTERM)

    def stop(self, seconds=30):
        """SIGTERM, and the exit code of a proxy that has drained."""
        self.terminate()
        return self.process.wait(seconds)

    def kill(self):
        self.process.send(signal.SIGKILL)
        self.process.wait(10)

    def close(self):
        """Ends it; RuntimeError if it did not end well (a wrapper's or sanitizer's finding)."""
        was_running = self.process.is_running()
        try:
            code = self.stop()
        except TimeoutError:
            self.kill()
            raise
        finally:
            text = self.process.log_text()
            shutil.rmtree(self.folder, ignore_errors=True)
        if was_running and code != 0:
            raise RuntimeError(f"the proxy ended with exit code {code}:\n{text[-5000:]}")

    def log_text(self):
        return self.process.log_text()


class TestCase(unittest.TestCase):
    """Ends what a test started, and shows the ends of the logs when it failed."""

    maxDiff = 4000

    def start_cluster(self, *arguments, **settings):
        cluster = Cluster(*arguments, **settings)
        self.addCleanup(cluster.close)
        self.addCleanup(self._show_log, "server", cluster)
        return cluster

    def start_proxy(self, cluster, *options, **arguments):
        proxy = Proxy(cluster, *options, **arguments)
        self.addCleanup(proxy.close)
        self.addCleanup(self._show_log, "proxy", proxy)
        return proxy

    def start_session(self, cluster):
        session = Session(cluster)
        self.addCleanup(session.close)
        return session

    def _show_log(self, name, what):
        outcome = self._outcome.result
        if any(test is self for test, _ in outcome.failures + outcome.errors):
            print(f"--- end of the {name}'s log of {self.id()}\n{what.log_text()[-3000:]}",
                  file=sys.stderr)


class SharedClusterTestCase(TestCase):
    """One cluster for all tests of a class, as cls.cluster; each test starts with no points."""

    apps = ()
    settings = {}
    cluster = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = Cluster(apps=cls.apps, **cls.settings)
        cls.addClassCleanup(cls.cluster.close)

    def setUp(self):
        super().setUp()
        self.cluster.execute("TRUNCATE telemetry.block, telemetry.dead_letter, telemetry.receipt")


class SharedProxyTestCase(SharedClusterTestCase):
    """One cluster and one proxy for all tests of a class, as cls.cluster and cls.proxy.

    Whatever the tests do to the proxy, it must live, and end well after the last.
    """

    options = ()
    proxy = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = Proxy(cls.cluster, *cls.options)
        cls.addClassCleanup(cls.proxy.close)

    def setUp(self):
        super().setUp()
        self.addCleanup(self._show_log, "proxy", self.proxy)
        self.addCleanup(self._must_be_alive)

    def _must_be_alive(self):
        self.assertTrue(self.proxy.process.is_running(), "the proxy has died")


class Session:
    """A psql that stays connected and does what it is told, for locks and open transactions."""

    def __init__(self, cluster, database="telemetry"):
        self._psql = cluster.popen_psql(["-A", "-t"], database=database)
        self.run("SET lock_timeout = '30s'; SET statement_timeout = '60s';")

    def run(self, sql):
        """Runs statements that end in a semicolon; the lines they return."""
        self._psql.stdin.write(f"{sql}\n\\echo DONE\n".encode())
        self._psql.stdin.flush()
        lines = []
        for line in self._psql.stdout:
            text = line.decode().rstrip("\n")
            if text == "DONE":
                return lines
            lines.append(text)
        raise SqlError(self._psql.stderr.read().decode())

    def close(self):
        self._psql.stdin.close()
        try:
            self._psql.wait(10)
        except subprocess.TimeoutExpired:
            self._psql.kill()
            self._psql.wait(10)
        self._psql.stdout.close()
        self._psql.stderr.close()
