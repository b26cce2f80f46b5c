"""What the scripts of tests/clients and tests/vm share: processes, waiting, the simulated lock, the gateway."""
