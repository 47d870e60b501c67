"""What a service manager does for a process: it passes sockets, and hears how the process is."""

import fcntl
import os
import socket
import subprocess

import support

# Far from those that the protocol counts, which begin with 3.
_FIRST_DESCRIPTOR = 50


def listen(port=0, host="127.0.0.1"):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(64)
    return listener


def listen_unix(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    os.chmod(path, 0o777)
    listener.listen(64)
    return listener


def passing(test, sockets, process="$$"):
    """Arguments for start_proxy that pass sockets to it, or to another process."""
    descriptors = []
    for one in sockets:
        descriptors.append(fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, _FIRST_DESCRIPTOR))
        test.addCleanup(os.close, descriptors[-1])
    moves = " ".join(f"{3 + i}<&{descriptor} {descriptor}<&-" for i, descriptor in enumerate(descriptors))
    script = f'export LISTEN_FDS={len(sockets)} LISTEN_PID={process}; exec {moves}; exec "$@"'
    return {"launcher": ("bash", "-c", script, "bash"), "descriptors": descriptors}


class Ear:
    """The socket of NOTIFY_SOCKET; what was told, message by message."""

    def __init__(self, test, abstract=False):
        folder = support.make_folder("notify-")
        test.addCleanup(subprocess.run, ["rm", "-rf", folder], check=False)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        test.addCleanup(self.socket.close)
        if abstract:
            self.name = f"@{folder}"
            self.socket.bind("\0" + str(folder))
        else:
            self.name = str(folder / "notify")
            self.socket.bind(self.name)
            os.chmod(self.name, 0o777)
        self.told = []

    def environment(self, watchdog_us=None):
        environment = {"NOTIFY_SOCKET": self.name}
        if watchdog_us:
            environment["WATCHDOG_USEC"] = str(watchdog_us)
        return environment

    def hear(self, seconds=20):
        """The next message, as a dictionary."""
        self.socket.settimeout(seconds * support.PATIENCE)
        message = dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())
        self.told.append(message)
        return message

    def wait_for(self, name, seconds=20):
        """The next message that says NAME=1, whatever comes before it."""
        while True:
            message = self.hear(seconds)
            if message.get(name) == "1":
                return message
