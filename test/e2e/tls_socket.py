"""A client's TLS connection of which a test holds every byte: records, alerts and ends."""

import io
import socket
import ssl
import warnings


def context(authority=None, own=None, version=None):
    """For clients: the CA they trust, their own certificate, the only version that they speak."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    # An end that is not announced is an error.
    made.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if authority:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(authority.certificate)
    if own:
        made.load_cert_chain(own.certificate, own.key)
    if version:
        if version < ssl.TLSVersion.TLSv1_2:
            made.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            # Of versions that nobody should speak, which is what the test shows.
            warnings.simplefilter("ignore", DeprecationWarning)
            made.minimum_version = made.maximum_version = version
    return made


class TlsSocket:
    """As a socket; what is sent goes in records of at most `record` bytes."""

    def __init__(self, port, made=None, timeout=30, record=16384, session=None):
        self.record = record
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self.tls = (made or context()).wrap_bio(self._in, self._out, server_hostname="localhost", session=session)
        try:
            self._run(self.tls.do_handshake)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _flush(self):
        data = self._out.read()
        if data:
            self._socket.sendall(data)

    def _run(self, step, *arguments):
        while True:
            try:
                result = step(*arguments)
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                data = self._socket.recv(65536)
                if data:
                    self._in.write(data)
                else:
                    self._in.write_eof()

    def sendall(self, data):
        self.write_records(data)
        self._flush()

    def write_records(self, data):
        """Makes records, which go with what is sent next."""
        for start in range(0, len(data), self.record):
            self.tls.write(data[start:start + self.record])

    def recv(self, size):
        """b"" at the end that the other side has announced; ssl.SSLEOFError at one that it has not."""
        try:
            return self._run(self.tls.read, size)
        except ssl.SSLZeroReturnError:
            return b""

    def shutdown(self, how):
        """SHUT_WR: says that no more will be sent, by TLS alone."""
        assert how == socket.SHUT_WR
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self._flush()

    def cut(self):
        """Sends no more and does not say so by TLS."""
        self._socket.shutdown(socket.SHUT_WR)

    def makefile(self, _mode):
        return io.BufferedReader(_Raw(self))

    def setsockopt(self, *arguments):
        self._socket.setsockopt(*arguments)

    def settimeout(self, seconds):
        self._socket.settimeout(seconds)

    def fileno(self):
        return self._socket.fileno()

    def close(self):
        self._socket.close()


class _Raw(io.RawIOBase):
    def __init__(self, tls_socket):
        super().__init__()
        self._socket = tls_socket

    def readable(self):
        return True

    def readinto(self, room):
        data = self._socket.recv(len(room))
        room[:len(data)] = data
        return len(data)
