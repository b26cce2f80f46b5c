"""A copy of the program in which the environment variable MUTANT says which changed piece runs; 0 is none."""

import json
import os
import pathlib
import re
import resource
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parents[2]
# Seconds of the processor, so that a busy machine is not taken for an endless loop.
CPU_LIMIT = 120
MEMORY_LIMIT = 6 << 30
SWITCH = """
/// Which mutant runs.
#[allow(clippy::all)]
pub fn mutant() -> u32 {
    static MUTANT: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *MUTANT.get_or_init(|| std::env::var("MUTANT").map_or(0, |text| text.parse().unwrap()))
}
"""


def copied(work):
    """The tree, with the switch in it and without lints."""
    copy = work / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    ignored = shutil.ignore_patterns("target", ".git", "*.db")
    shutil.copytree(HERE, copy, ignore=ignored)
    library = copy / "src/lib.rs"
    library.write_text(library.read_text() + SWITCH)
    manifest = copy / "Cargo.toml"
    manifest.write_text(re.sub(r"\[lints\..*", "", manifest.read_text(), flags=re.S))
    return copy


def cargo(work, *words):
    """A command of cargo in the copy, and its environment."""
    return ["cargo", *words], dict(os.environ, CARGO_TARGET_DIR=str(work / "target"))


def reports(text):
    return map(json.loads, filter(None, text.splitlines()))


def tests_of(work, copy, *words):
    """Builds the test binaries: the library's own, which is the fast one, and `it`."""
    command, environment = cargo(work, "test", "--locked", *words, "--lib", "--test", "it", "--no-run",
                                 "--message-format=json")
    out = subprocess.run(command, cwd=copy, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    binaries = {report["target"]["name"]: report["executable"]
                # The program itself has the library's name.
                for report in reports(out.stdout) if report.get("executable") and report["profile"]["test"]}
    return [binaries["keyturner"], binaries["it"]]


def ask(copy, binary, number, arguments, cpu=CPU_LIMIT, **variables):
    """Runs tests of a binary with one mutant: how the process ended, and which tests failed."""
    environment = dict(os.environ, MUTANT=str(number), PROPTEST_DISABLE_FAILURE_PERSISTENCE="1", RUST_BACKTRACE="0",
                       CARGO_MANIFEST_DIR=str(copy))
    environment.update(variables)

    def limited():
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))

    out = subprocess.run([binary, *arguments], cwd=copy, env=environment, preexec_fn=limited, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, errors="replace")
    out.failed = re.findall(r"^test (\S+)(?: - should panic)? \.\.\. FAILED", out.stdout, re.M)
    return out
