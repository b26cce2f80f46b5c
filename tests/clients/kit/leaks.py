"""No secret stands in what a gateway logs: its whole log is read at the end of each script."""
import json
import re

from .waiting import expect

# What stands in a query with a credential, whatever the credential is.
QUERIES = ("?token=", "&token=", "ctoken=", "&hash=", "&rnr=")
# Logs of gateways and of pairing. A simulated lock's and a client's own may say what they like.
LOGS = re.compile(r"(run|pair|service|journal)[\w-]*\.log")

_secrets = set()
# Whose log there must be in the end: a script with a simulated lock and another central has none.
_gateways = set()


def keep(*secrets):
    """Remembers what must not be said."""
    _secrets.update(str(secret) for secret in secrets)


def keep_token(token):
    """The same with the token of a gateway that is asked."""
    keep(token)
    _gateways.add(token)


def keep_store(path):
    """The same with every key and token of a secret store."""
    document = json.loads(path.read_text())
    keep_token(document["bridge"]["token"])
    for lock in document["locks"]:
        keep(*(value for name, value in lock.items() if "key" in name and isinstance(value, str)))
    keep(*(webhook["secret"] for webhook in document.get("webhooks", [])))


def find(text, secrets):
    """(line, secret) of the first one that is said, or None. Digits within a longer number are none."""
    ways = [(secret, re.compile(rf"(?<![\w.:-]){re.escape(secret)}(?![\w.:-])", re.IGNORECASE)) for secret in secrets]
    for line in text.splitlines():
        for secret, way in ways:
            if way.search(line):
                return line, secret
        for query in QUERIES:
            if query in line:
                return line, query
    return None


def check(directory):
    """Every gateway's log under this directory; fails with the line."""
    expect(find("09:00:00 INFO ready\n09:00:01 DEBUG Pin(864209)", ["864209"]), "the search for secrets finds one")
    expect(not find("09:00:01.864209Z event 18642097", ["864209"]), "the search for secrets leaves other numbers alone")
    logs = [log for log in directory.rglob("*.log") if LOGS.fullmatch(log.name)]
    expect(logs or not _gateways, "a gateway that was asked something has left a log")
    for log in logs:
        leak = find(log.read_text(errors="replace"), _secrets)
        expect(leak is None, f"{log} says no secret", leak)
