#!/usr/bin/env python3
"""Runs a command with a `weir up`: with_node.py WEIR COMMAND..., where {address} is its address."""
import subprocess
import sys

from node import Node

with Node(sys.argv[1]) as weir:
    command = [word.replace("{address}", weir.address) for word in sys.argv[2:]]
    code = subprocess.run(command, timeout=600).returncode
sys.exit(code)
