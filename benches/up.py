#!/usr/bin/env python3
"""How long five resources take from nothing to healthy, a second time, and to go again: `msvc` and a Compose by
turns on the same engine, with the same images, arguments, ports and volumes.

    cargo build --release
    DOCKER_HOST=unix:///… benches/up.py --rounds 15
    DOCKER_HOST=unix:///… benches/up.py --compose 'docker compose' --wait

Wall time of each command and its own processor time, in seconds; medians. `msvc up` returns when all five answer over
their protocols, a Compose when all run (with --wait: are told to be healthy, where they have a health check: here
none has). The images must be there; whatever fails is an error here.
"""

import argparse
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = """\
[workspace]
name = "figures"
template-version = "0.1.0"

[registry]
kind = "static"

[infra]
resources = ["consul", "etcd", "redis", "nats", "prometheus"]

[infra.ports]
{ports}

[services.alpha]
port = 50051
"""
PORTS = ["consul", "etcd", "redis", "nats", "nats-monitoring", "prometheus"]
COMPOSE = """\
services:
  consul:
    image: hashicorp/consul:1.21.0
    command: agent -dev -client=0.0.0.0 -dns-port=-1 -serf-wan-port=-1
    ports: ["127.0.0.1:{consul}:8500"]
  etcd:
    image: quay.io/coreos/etcd:v3.5.21
    command: >-
      etcd --name=msvc --data-dir=/etcd-data --unsafe-no-fsync --listen-client-urls=http://0.0.0.0:2379
      --advertise-client-urls=http://127.0.0.1:{etcd} --listen-peer-urls=http://127.0.0.1:2380
      --initial-advertise-peer-urls=http://127.0.0.1:2380 --initial-cluster=msvc=http://127.0.0.1:2380
    ports: ["127.0.0.1:{etcd}:2379"]
    volumes: ["etcd:/etcd-data"]
  redis:
    image: redis:7.4.3-alpine
    command: redis-server --dir /data --appendonly yes --protected-mode no
    ports: ["127.0.0.1:{redis}:6379"]
    volumes: ["redis:/data"]
  nats:
    image: nats:2.11.3-alpine
    command: -js -sd /data -m 8222
    ports: ["127.0.0.1:{nats}:4222", "127.0.0.1:{nats-monitoring}:8222"]
    volumes: ["nats:/data"]
  prometheus:
    image: prom/prometheus:v3.4.0
    command: >-
      --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/prometheus
      --enable-feature=exemplar-storage --web.listen-address=127.0.0.1:{prometheus}
    network_mode: host
    volumes: ["prometheus:/prometheus", "./prometheus.yml:/etc/prometheus/prometheus.yml:ro"]
volumes: {{etcd: {{}}, redis: {{}}, nats: {{}}, prometheus: {{}}}}
"""
# A moment for what the last command left to the engine.
PAUSE = 0.5


def free_ports(count):
    listeners = [socket.socket() for _ in range(count)]
    for listener in listeners:
        listener.bind(("127.0.0.1", 0))
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(folder, command):
    """Wall and processor time of a command."""
    time.sleep(PAUSE)
    processor, start = seconds(), time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    took = time.monotonic() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return took, seconds() - processor


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--msvc", default=str(ROOT / "target/release/msvc"))
    parser.add_argument("--compose", default="docker-compose", help="the Compose to compare with")
    parser.add_argument("--wait", action="store_true", help="give the Compose `--wait`")
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    compose = args.compose.split()
    up = [*compose, "up", "-d", *(["--wait"] if args.wait else [])]
    sides = {
        "msvc": [
            ("up", [args.msvc, "up", "--engine", "docker", "-q"]),
            ("a second up", [args.msvc, "up", "--engine", "docker", "-q"]),
            ("status", [args.msvc, "status"]),
            ("down --volumes", [args.msvc, "down", "--volumes", "--yes", "-q"]),
        ],
        "compose": [("up", up), ("a second up", up), ("down --volumes", [*compose, "down", "-v", "-t", "0"])],
    }
    figures = {}
    with tempfile.TemporaryDirectory(prefix="msvc-up-") as name:
        folder = Path(name)
        ports = dict(zip(PORTS, free_ports(len(PORTS))))
        lines = "\n".join(f"{name} = {port}" for name, port in ports.items())
        (folder / "msvc.toml").write_text(MANIFEST.format(ports=lines))
        (folder / "compose.yaml").write_text(COMPOSE.format(**ports))
        (folder / "prometheus.yml").write_text("global: {scrape_interval: 5s}\n")
        for number in range(args.rounds):
            for side in sorted(sides, reverse=number % 2 == 0):
                for what, command in sides[side]:
                    figures.setdefault((side, what), []).append(run(folder, command))
    for (side, what), values in figures.items():
        wall = sorted(took for took, _ in values)
        processor = statistics.median(processor for _, processor in values)
        print(
            f"{side:8} {what:15} {statistics.median(wall):6.2f} s ({wall[0]:.2f} to {wall[-1]:.2f})"
            f"   processor {processor:.2f} s"
        )
    print(f"{args.rounds} rounds; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
