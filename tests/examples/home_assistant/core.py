"""core.py CONFIG_DIR: Home Assistant's core with what CONFIG_DIR/configuration.yaml names, without its frontend."""
import sys

from homeassistant import bootstrap, runner

# What a core adds by itself is the web frontend and what belongs to it: 60 MB that no automation needs.
bootstrap.DEFAULT_INTEGRATIONS = set()
bootstrap.CRITICAL_INTEGRATIONS = set()

sys.exit(runner.run(runner.RuntimeConfig(config_dir=sys.argv[1], skip_pip=True)))
