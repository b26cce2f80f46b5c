"""What the scripts of tests/examples share: a simulated lock, the gateway, and a list of what happened."""
import pathlib
import sys
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))

from kit.fakebus import FakeBus
from kit.gateway import Gateway
from kit.simlock import NUKI_ID, SimLock
from kit.waiting import expect, wait_for
from kit.workspace import step

EXAMPLES = ROOT / "examples"

# As the simulated lock is delivered. In the examples Anna's code and Clara's fob are residents'; Ben's code and Dora's
# phone are guests'.
CLARAS_FOB = 2
DORAS_PHONE = "Dora's phone"
# The gateway's own authorization, under which the lock logs what its clients ask for.
GATEWAYS_OWN = 4


class House:
    """A lock, a running gateway paired with it, and a token that may read the history."""

    def __init__(self, workspace):
        self.sim = SimLock(workspace)
        bus = FakeBus(workspace, self.sim)
        self.gateway = Gateway(workspace, bus)
        step("pair")
        self.gateway.pair(self.sim)
        self.gateway.start()
        self.gateway.wait_first_state(NUKI_ID)
        self.token = self._token()

    def _token(self):
        """A token for /v1 alone with the scope history, as the examples' READMEs have it made."""
        path = self.gateway.workspace.dir / "history-token"
        self.gateway.run("token", "add", "--name", "alarm", "--scope", "history", "--v1", "--token-file", str(path))
        token = path.read_text().strip()
        wait_for("the gateway knows the token", lambda: self._may_ask(token), 10)
        return token

    def _may_ask(self, token):
        request = urllib.request.Request(f"{self.gateway.api.base}/v1/history", headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status == 200
        except urllib.error.HTTPError as error:
            expect(error.code == 401, "a token that is not known yet is 401", error.code)
            return False

    def history(self):
        return self.gateway.api.json("/v1/history")["events"]

    def wait_event(self, what, matches, since=0):
        """The newest event above row `since` for which matches(event) holds."""
        return wait_for(what, lambda: next((e for e in self.history() if int(e["id"]) > since and matches(e)), None))

    def newest(self):
        return max((int(e["id"]) for e in self.history()), default=0)

    def close_up(self):
        """Somebody turns the bolt from inside, so that the next one finds a locked door; the gateway has seen it."""
        before = self.newest()
        self.sim.command("manual lock")
        self.sim.wait_state("locked")
        self.wait_event("the turn by hand is in the history", lambda e: e["action"] == 2 and e["attribution"] == "nobody", before)


def opens(home, command, name):
    """Something is done at the locked door, and its entry with this name is in the history."""
    before = home.newest()
    home.sim.command(command)
    home.sim.wait_state("unlocked")
    home.wait_event(f"`{command.split()[0]}` is in the history", lambda e: e["action"] == 1 and e["name"] == name, before)
