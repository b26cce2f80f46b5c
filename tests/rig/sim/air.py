#!/usr/bin/env python3
"""air.py --hci SOCKET --hci SOCKET ...

Adapters of BlueZ' on one air, and nothing else on it: what one advertises the
others hear. H4 is spoken on each socket. Prints "ready" when all of them listen.
"""
import argparse
import asyncio
import logging
import sys

from blesim import Air


async def run(sockets):
    air = Air()
    for number, path in enumerate(sockets, 0x13):
        await air.add_adapter(f"unix-server:{path}", f"00:1A:7D:DA:71:{number:02X}")
    print("ready", flush=True)
    await asyncio.Event().wait()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--hci", required=True, action="append", metavar="SOCKET", help="made here; one of the VM's controllers")
    ap.add_argument("--debug", action="store_true")
    args = ap.parse_args()
    logging.basicConfig(level=logging.DEBUG if args.debug else logging.INFO,
                        format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(run(args.hci))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
