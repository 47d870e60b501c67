"""Certificates for tests, made by openssl in a folder of the test's own."""

import os
import pathlib
import subprocess

import support

CONFIG = """
[req]
prompt = no
string_mask = utf8only
utf8 = yes
distinguished_name = subject
[subject]
{subject}
[extensions]
{extensions}
"""
# Long ago, so that what is good for a day has expired.
LONG_AGO = "2020-01-01 00:00:00"


class Certificate:
    """Files of a certificate and of its key, which belong to the user that proxies run as."""

    def __init__(self, folder, name, subject, extensions):
        self.certificate = folder / f"{name}.crt"
        self.key = folder / f"{name}.key"
        self._config = folder / f"{name}.conf"
        self._config.write_text(CONFIG.format(
            subject="\n".join(f"{key} = {value}" for key, value in subject),
            extensions="\n".join(f"{key} = {value}" for key, value in extensions.items())))

    def make(self, days, issuer=None, at=None):
        """Signed by itself, or by another; for so many days from now, or from another time on."""
        request = self._config.with_suffix(".req")
        clock = ["faketime", at] if at else []
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                 self.key, "-out", request, "-config", self._config)
        signer = ["-CA", issuer.certificate, "-CAkey", issuer.key] if issuer else ["-signkey", self.key]
        openssl("x509", "-req", "-in", request, "-out", self.certificate, "-days", days, "-extfile", self._config,
                 "-extensions", "extensions", *signer, "-set_serial", f"0x{os.urandom(8).hex()}", clock=clock)
        self.key.chmod(0o600)
        for path in (self.certificate, self.key):
            give(path)
        return self

    def install(self, other):
        """Becomes the other one, in the same files, all at once each."""
        for mine, theirs in ((self.certificate, other.certificate), (self.key, other.key)):
            fresh = mine.with_suffix(".new")
            fresh.write_bytes(theirs.read_bytes())
            fresh.chmod(theirs.stat().st_mode)
            give(fresh)
            fresh.rename(mine)


class Authority(Certificate):
    """One that others come from."""

    def __init__(self, folder, name):
        self.folder = pathlib.Path(folder)
        super().__init__(self.folder, name, [("CN", f"CA {name}")],
                         {"basicConstraints": "critical,CA:TRUE", "keyUsage": "keyCertSign,cRLSign"})
        self.make(30)

    def issue(self, name, subject=None, days=30, at=None, **extensions):
        """A certificate for a server or a client; its subject is `name`, or pairs of a field and a value."""
        subject = [("CN", name)] if subject is None else subject
        return Certificate(self.folder, name, subject, {"basicConstraints": "CA:FALSE", **extensions}).make(
            days, self, at)


def give(path):
    """A file of ours becomes that of the proxies' user."""
    identity = support._identity()
    if identity:
        os.chown(path, identity["user"], identity["group"])


def openssl(*arguments, clock=()):
    run = subprocess.run([*clock, "openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {run.stderr}")
