"""A port for a server that is to keep it over several lives."""
import random
import socket

# Below those that the system gives to connections: while the server is down nobody gets it by chance.
FIRST, LAST = 20_000, 32_000


def free_port() -> int:
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(FIRST, LAST)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
