#!/usr/bin/env python3
"""mkkernel.py UNPACKED_KERNEL BUSYBOX OUTDIR

Writes OUTDIR/vmlinux (the kernel, uncompressed) and OUTDIR/modules.cpio
(busybox, and the modules below with what they depend on, in load order).
`run` appends the init scripts to the latter."""
import lzma
import os
import re
import subprocess
import sys

# Load order matters only through each module's own "depends=".
WANTED = """
virtio_pci virtio_blk ext4 9p 9pnet_virtio virtio_net virtio_console virtio_rng
bluetooth hci_uart uhid
ecb cmac ecdh_generic algif_skcipher algif_hash
crc32c_generic
""".split()


def uncompress_kernel(data: bytes) -> bytes:
    for magic, cmd in ((b"\x28\xb5\x2f\xfd", ["zstd", "-dcq"]), (b"\xfd7zXZ\0", ["xz", "-dcq", "--single-stream"])):
        at = data.find(magic)
        while at >= 0:
            out = subprocess.run(cmd, input=data[at:], capture_output=True).stdout
            if out[:4] == b"\x7fELF":
                return out
            at = data.find(magic, at + 1)
    raise SystemExit("no vmlinux found in the kernel image")


def cpio_entry(out, ino, name, mode, data=b"", rdev=(0, 0)):
    n = name.encode() + b"\0"
    head = "070701" + "".join("%08X" % v for v in (
        ino, mode, 0, 0, 1, 0, len(data), 0, 0, rdev[0], rdev[1], len(n), 0))
    rec = head.encode() + n
    rec += b"\0" * (-len(rec) % 4)
    out.write(rec + data + b"\0" * (-len(data) % 4))


def main():
    kdir, busybox, outdir = sys.argv[1:]
    image = [f for f in os.listdir(kdir + "/boot") if f.startswith("vmlinuz-")][0]
    with open(f"{kdir}/boot/{image}", "rb") as packed, open(f"{outdir}/vmlinux", "wb") as f:
        f.write(uncompress_kernel(packed.read()))

    files = {}
    for top, _, names in os.walk(kdir):
        for n in names:
            m = re.match(r"(.+?)\.ko(\.xz|\.zst)?$", n)
            if m:
                files[m.group(1).replace("-", "_")] = os.path.join(top, n)

    def load(name):
        with open(files[name], "rb") as f:
            raw = f.read()
        if files[name].endswith(".xz"):
            raw = lzma.decompress(raw)
        elif files[name].endswith(".zst"):
            raw = subprocess.run(["zstd", "-dcq"], input=raw, capture_output=True, check=True).stdout
        return raw

    order, blobs = [], {}

    def visit(name):
        if name in blobs:
            return
        if name not in files:
            print("  not a module here (built in or absent):", name)
            return
        blobs[name] = load(name)
        m = re.search(rb"\0depends=([^\0]*)\0", blobs[name])
        for dep in (m.group(1).decode().split(",") if m else []):
            if dep:
                visit(dep.replace("-", "_"))
        order.append(name)

    for name in WANTED:
        visit(name)
    for must in ("bluetooth", "hci_uart", "9p"):
        if must not in order:
            raise SystemExit(f"the kernel package has no module {must}")

    with open(f"{outdir}/modules.cpio", "wb") as out:
        with open(busybox, "rb") as f:
            busybox_bytes = f.read()
        entries = [(d, 0o040755, b"", (0, 0)) for d in ("dev", "proc", "sys", "bin", "mod", "new")]
        entries += [("dev/console", 0o020600, b"", (5, 1)), ("dev/kmsg", 0o020600, b"", (1, 11)),
                    ("bin/busybox", 0o100755, busybox_bytes, (0, 0))]
        entries += [(f"mod/{i:02d}-{name}.ko", 0o100644, blobs[name], (0, 0)) for i, name in enumerate(order)]
        for ino, (name, mode, data, rdev) in enumerate(entries, 1):
            cpio_entry(out, ino, name, mode, data, rdev)
    print("  kernel", image, "modules:", " ".join(order))


main()
