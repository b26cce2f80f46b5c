"""A child process whose output goes to a log file and which never outlives the script."""
import os
import subprocess


class Process:
    def __init__(self, name, command, log_dir, env=None, stdin=None, stdout=None):
        self.name, self.command = name, [str(c) for c in command]
        self.log_path = log_dir / f"{name}.log"
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(self.command, stdin=stdin or subprocess.DEVNULL, stdout=stdout or log,
                                          stderr=log, env={**os.environ, **(env or {})})

    def must_be_alive(self, during):
        code = self.popen.poll()
        if code is not None:
            raise AssertionError(f"{during}: `{self.name}` ended with exit code {code}, see {self.log_path}")

    def stop(self, seconds=15):
        """TERM, and the exit code; a process that does not obey is killed, and that is an error."""
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"`{self.name}` did not end within {seconds} s of a TERM, see {self.log_path}") from None

    def kill(self):
        """SIGKILL: no chance to tidy up."""
        self.popen.kill()
        self.popen.wait()

    def end(self):
        """For clean-up only: whatever it takes, without complaint."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
