"""A temporary PostgreSQL cluster, a proxy beside it, and other processes to watch."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "min_wal_size": "1GB",
    "checkpoint_timeout": "30min",
    "fsync": "on",
    "synchronous_commit": "on",
    "autovacuum": "on",
    "timezone": "UTC",
    "logging_collector": "off",
}
START_TIMEOUT = 60
SQL_TIMEOUT = 600


class Failed(Exception):
    """A command of the benchmark failed; the message says which and how."""


def run_command(command, timeout, **more):
    """Runs a command and returns its output; raises Failed with what it wrote."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **more)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{command[0]}: no end within {timeout} seconds") from error
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise Failed(f"{os.path.basename(command[0])}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


class Cluster:
    """Owns its directory. The server never runs as root: root hands it to the user postgres."""

    def __init__(self, options, directory, settings=None):
        self.options = options
        self.directory = directory
        self.settings = settings or {}
        self.data = os.path.join(directory, "data")
        self.log = os.path.join(directory, "server.log")
        self.conninfo = f"host={directory} port=5432 user=bench dbname=bench"
        self.started = False

    def as_server_user(self, command):
        if os.geteuid() == 0:
            return ["runuser", "-u", "postgres", "--"] + command
        return command

    def program(self, name):
        return os.path.join(self.options.bindir, name)

    def start(self):
        # Only the owner (and root) may enter the directory, hence reach the socket: trust is safe.
        os.mkdir(self.directory, 0o700)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
        run_command(self.as_server_user([self.program("initdb"), "-D", self.data, "-U", "bench",
                                         "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]), 120,
                    cwd="/")
        self.write_settings()
        self.started = True
        run_command(self.as_server_user([self.program("pg_ctl"), "-D", self.data, "-l", self.log, "-w",
                                         "-t", str(START_TIMEOUT), "start"]), START_TIMEOUT + 10,
                    cwd="/")
        self.sql("CREATE DATABASE bench", database="postgres")

    def write_settings(self):
        settings = dict(SETTINGS, unix_socket_directories=self.directory, **self.settings)
        for setting in self.options.setting:
            name, _, value = setting.partition("=")
            settings[name] = value
        path = os.path.join(self.data, "postgresql.auto.conf")
        with open(path, "a", encoding="utf-8") as out:
            for name, value in settings.items():
                out.write(f"{name} = '{value}'\n")

    def stop(self):
        if not self.started:
            return
        try:
            run_command(self.as_server_user([self.program("pg_ctl"), "-D", self.data, "-m",
                                             "immediate", "-w", "stop"]), 60, cwd="/")
            self.started = False
        except Failed as error:
            print(f"could not stop the server: {error}")

    def read_crashes(self):
        """The server's own words, if it has crashed."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return [line.strip() for line in log if "terminated by signal" in line or "PANIC" in line]

    def wait_until_ready(self):
        """After a crash, until recovery is over."""
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                self.sql("SELECT 1")
                return
            except Failed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def sql(self, text, database="bench"):
        """Runs SQL, one transaction a statement; returns the last result's text."""
        command = [self.program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d",
                   self.conninfo.replace("dbname=bench", f"dbname={database}")]
        return run_command(command, SQL_TIMEOUT, input=text).strip()


class Session:
    """A session that stays, so that the processor time of its backend can be read."""

    def __init__(self, server):
        self.errors = tempfile.TemporaryFile(mode="w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [server.program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", server.conninfo],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.pid = int(self.sql("SELECT pg_backend_pid()"))

    def sql(self, text):
        """Runs SQL, one transaction a statement; returns what it wrote."""
        end = "end of answer"
        lines = []
        try:
            self.process.stdin.write(f"{text};\n\\echo {end}\n")
            self.process.stdin.flush()
            while (line := self.process.stdout.readline().rstrip("\n")) != end:
                if line == "" and self.process.poll() is not None:
                    raise BrokenPipeError
                lines.append(line)
        except BrokenPipeError as error:
            self.process.wait()
            self.errors.seek(0)
            raise Failed(f"psql: {self.errors.read().strip()[-2000:]}") from error
        return "\n".join(lines)

    def cpu_seconds(self):
        return read_cpu_seconds(self.pid)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()
        self.errors.close()


class Program:
    """A program in the background, killed if left before its end."""

    def __init__(self, command):
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def is_running(self):
        return self.process.poll() is None

    def stop(self):
        """Asks it to end; read_output() has what it has to say."""
        self.process.terminate()

    def read_output(self):
        """Waits for the end; raises Failed with what it wrote."""
        out, errors = self.process.communicate()
        if self.process.returncode != 0:
            raise Failed(f"{os.path.basename(self.command[0])}: {(errors or out).strip()[-2000:]}")
        return out

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Sampler:
    """Calls sample() from a thread, again and again, until it fails: who waits for its answer is told then."""

    def __init__(self, every):
        self.every = every
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.over.wait(self.every):
            try:
                self.sample()
            except Failed:
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.over.set()
        self.thread.join()


class Proxy:
    """A telemetry-proxy before the cluster, on free ports of the loopback: HTTP on one, HTTPS on the other."""

    def __init__(self, options, conninfo, log_path, more=()):
        self.options = options
        self.more = list(more)
        self.conninfo = conninfo
        self.log_path = log_path
        self.process = None
        self.port = free_port()
        self.tls_port = free_port()

    def make_certificate(self):
        key, certificate = f"{self.log_path}.key", f"{self.log_path}.crt"
        run_command(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bench", "-days", "2",
                     "-keyout", key, "-out", certificate], 60)
        os.chmod(key, 0o600)
        return [f"--tls-listen=127.0.0.1:{self.tls_port}", f"--tls-key={key}", f"--tls-certificate={certificate}"]

    def __enter__(self):
        command = [self.options.proxy, f"--listen=127.0.0.1:{self.port}", f"--database={self.conninfo}",
                   "--auth=none", *self.make_certificate(), *self.more, *self.options.proxy_option]
        with open(self.log_path, "wb") as log:
            try:
                self.process = subprocess.Popen(command, stdout=log, stderr=log,
                                                stdin=subprocess.DEVNULL)
            except OSError as error:
                raise Failed(f"{self.options.proxy}: {error.strerror}") from error
        try:
            self.wait_until_healthy()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wait_until_healthy(self):
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise Failed(f"the proxy does not answer /health: {self.read_log()}")

    def read_log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return "\n".join(log.read().splitlines()[-3:])

    def cpu_seconds(self):
        return read_cpu_seconds(self.process.pid)

    def __exit__(self, *exception):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def read_cpu_seconds(pid):
    """Processor time a process has used, user and system."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError as error:
        raise Failed(f"process {pid} is gone") from error
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_ended_cpu_seconds(server):
    """The same of all backends of a server that have ended."""
    with open(os.path.join(server.data, "postmaster.pid"), encoding="ascii") as file:
        pid = int(file.readline())
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def read_memory(pid, name):
    """Bytes of memory of a process by one of the names in its status, such as VmHWM."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name + ":"))
    except (OSError, StopIteration) as error:
        raise Failed(f"process {pid} is gone") from error


def reset_peak_memory(pid):
    """From here on VmHWM is the peak; returns the memory that there is."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as mark:
        mark.write("5")
    return read_memory(pid, "VmRSS")


def read_cpu_ticks():
    """Ticks of all processors since boot: (busy, all)."""
    with open("/proc/stat", encoding="ascii") as stat:
        ticks = [int(field) for field in stat.readline().split()[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)


def measure_busy_share(seconds=1.0):
    """The share of the machine that is busy now, while the benchmark itself rests."""
    busy, total = read_cpu_ticks()
    time.sleep(seconds)
    busy_after, total_after = read_cpu_ticks()
    return (busy_after - busy) / max(total_after - total, 1)


def extension_is_installed(options):
    """Whether CREATE EXTENSION telemetry CASCADE can work with these programs."""
    pg_config = os.path.join(options.bindir, "pg_config")
    if not os.path.exists(pg_config):
        pg_config = shutil.which("pg_config") or "pg_config"
    share = run_command([pg_config, "--sharedir"], 10).strip()
    return os.path.exists(os.path.join(share, "extension", "telemetry.control"))
