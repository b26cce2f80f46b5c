"""ask_lock.py SOCKET LINE: one line to a simulated lock's control socket, in the guest; prints its answer."""
import socket
import sys

with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    connection.sendall(sys.argv[2].encode() + b"\n")
    print(connection.makefile("r").readline(), end="")
